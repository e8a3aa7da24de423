//! A request: a flat JSON object of plain words and whole numbers, such as `{"ask":"open","rows":2560}`.

/// Names and values in the order they came.
pub(crate) struct Request(Vec<(String, String)>);

impl Request {
    /// Reads one line. Values hold no comma, colon or quotation mark, so nothing has to be unescaped.
    pub(crate) fn parse(line: &str) -> Self {
        let inside = line.trim().trim_start_matches('{').trim_end_matches('}');
        let pairs = inside.split(',').filter_map(|pair| pair.split_once(':'));
        let bare = |text: &str| text.trim().trim_matches('"').to_owned();
        Request(pairs.map(|(name, value)| (bare(name), bare(value))).collect())
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, String> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).ok_or(format!("the request has no {name}"))
    }

    pub(crate) fn number(&self, name: &str) -> Result<usize, String> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("{name} is {text}, which is no whole number"))
    }

    /// A number above zero, 1 when it is not given.
    pub(crate) fn count(&self, name: &str) -> Result<usize, String> {
        match self.text(name).map_or(Ok(1), |_| self.number(name))? {
            0 => Err(format!("{name} is 0")),
            count => Ok(count),
        }
    }
}
