//! JSON as a small tree, and objects whose fields are taken out by name. A Spec is read from it by hand: with readers derived by serde, which
//! hold a copy of serde's own tree for each type, the smallest WebAssembly module had 18 KB more after gzip.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// More fields than any object of a Spec has; a bound, so that looking for a field that is there twice stays cheap.
const MAX_FIELDS: usize = 16;

/// What is wrong, as part of a sentence; `E_SPEC` is added by the caller.
pub(super) type Read<T> = Result<T, String>;

/// One JSON value.
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A number written without sign, point and exponent.
    Int(u64),
    /// Any other number.
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Object(Fields),
}

/// The fields of an object that have not been taken yet.
pub(super) struct Fields(Vec<(String, Json)>);

/// A value that a field can have.
pub(super) trait FromJson: Sized {
    /// What is expected, for the error.
    const WHAT: &'static str;

    /// `None` where the JSON is something else.
    fn from_json(json: Json) -> Option<Self>;
}

impl Fields {
    fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn require(&mut self, name: &str) -> Read<Json> {
        self.take(name).ok_or_else(|| format!("missing field `{name}`"))
    }

    /// Refuses fields that are not in `names`.
    pub(super) fn only(&self, names: &[&str]) -> Read<()> {
        match self.0.iter().find(|(key, _)| !names.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, _)) => {
                Err(format!("unknown field `{key}`, expected one of `{}`", names.join("`, `")))
            }
        }
    }

    /// A field that must be there.
    pub(super) fn get<T: FromJson>(&mut self, name: &str) -> Read<T> {
        let json = self.require(name)?;
        let found = json.kind();
        T::from_json(json).ok_or_else(|| wrong(name, T::WHAT, found))
    }

    /// A field that may be left out.
    pub(super) fn get_or_default<T: FromJson + Default>(&mut self, name: &str) -> Read<T> {
        if self.0.iter().any(|(key, _)| key == name) { self.get(name) } else { Ok(T::default()) }
    }

    /// An object that must be there.
    pub(super) fn object(&mut self, name: &str) -> Read<Self> {
        self.require(name)?.fields(name)
    }

    /// A list of objects, each read by `read`; errors say which one.
    pub(super) fn objects<T>(&mut self, name: &str, read: fn(Self) -> Read<T>) -> Read<Vec<T>> {
        let list: Vec<Json> = self.get(name)?;
        list.into_iter()
            .enumerate()
            .map(|(i, json)| {
                let at = format!("{name}[{i}]");
                json.fields(&at).and_then(|fields| read(fields).map_err(|e| format!("{at}: {e}")))
            })
            .collect()
    }
}

#[cold]
fn wrong(name: &str, expected: &str, found: &str) -> String {
    format!("`{name}` is {found}, expected {expected}")
}

impl Json {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number with sign or fraction",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// The fields of an object.
    pub(super) fn fields(self, name: &str) -> Read<Fields> {
        match self {
            Self::Object(fields) => Ok(fields),
            other => Err(wrong(name, "an object", other.kind())),
        }
    }
}

impl FromJson for bool {
    const WHAT: &'static str = "a boolean";

    fn from_json(json: Json) -> Option<Self> {
        if let Json::Bool(value) = json { Some(value) } else { None }
    }
}

impl FromJson for usize {
    const WHAT: &'static str = "a whole number, 0 or more";

    fn from_json(json: Json) -> Option<Self> {
        if let Json::Int(value) = json { value.try_into().ok() } else { None }
    }
}

impl FromJson for f64 {
    const WHAT: &'static str = "a number";

    fn from_json(json: Json) -> Option<Self> {
        match json {
            Json::Int(value) => Some(value as f64),
            Json::Float(value) => Some(value),
            _ => None,
        }
    }
}

impl FromJson for f32 {
    const WHAT: &'static str = f64::WHAT;

    fn from_json(json: Json) -> Option<Self> {
        f64::from_json(json).map(|value| value as f32)
    }
}

impl FromJson for String {
    const WHAT: &'static str = "a string";

    fn from_json(json: Json) -> Option<Self> {
        if let Json::Text(value) = json { Some(value) } else { None }
    }
}

impl FromJson for Vec<Json> {
    const WHAT: &'static str = "a list";

    fn from_json(json: Json) -> Option<Self> {
        if let Json::List(value) = json { Some(value) } else { None }
    }
}

impl FromJson for Vec<usize> {
    const WHAT: &'static str = "a list of whole numbers, 0 or more";

    fn from_json(json: Json) -> Option<Self> {
        Vec::<Json>::from_json(json)?.into_iter().map(usize::from_json).collect()
    }
}

impl FromJson for [usize; 1] {
    const WHAT: &'static str = "a list of one whole number";

    fn from_json(json: Json) -> Option<Self> {
        Vec::<usize>::from_json(json)?.try_into().ok()
    }
}

impl FromJson for [usize; 2] {
    const WHAT: &'static str = "a list of two whole numbers";

    fn from_json(json: Json) -> Option<Self> {
        Vec::<usize>::from_json(json)?.try_into().ok()
    }
}

/// `null` is the same as nothing.
impl<T: FromJson> FromJson for Option<T> {
    const WHAT: &'static str = T::WHAT;

    fn from_json(json: Json) -> Option<Self> {
        if let Json::Null = json { Some(None) } else { T::from_json(json).map(Some) }
    }
}

impl FromJson for Vec<f32> {
    const WHAT: &'static str = "a list of numbers";

    fn from_json(json: Json) -> Option<Self> {
        Vec::<Json>::from_json(json)?.into_iter().map(f32::from_json).collect()
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Float(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields: Vec<(String, Json)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if fields.iter().any(|(other, _)| *other == key) {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            }
            if fields.len() == MAX_FIELDS {
                return Err(A::Error::custom("an object has too many fields"));
            }
            fields.push((key, map.next_value()?));
        }
        Ok(Json::Object(Fields(fields)))
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Tree)
    }
}
