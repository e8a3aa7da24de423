//! Answers requests, one JSON object a line: the side of `bench/contest.mjs` that measures kernels and limits.
//!
//! | request | answer |
//! |---|---|
//! | `{"ask":"info"}` | tables, limit loops, architecture |
//! | `{"ask":"open","name":...}` | `case` (its number) and `work`, after the answer was checked; or `error` |
//! | `{"ask":"time","case":0,"ms":20}` | `seconds` of one run, from as many runs as fill the milliseconds |
//! | `{"ask":"close"}` | all cases are gone |

use tritlens_kernels::{Format, Kernels, available};

use super::case::Case;
use super::inputs::Store;
use super::request::Request;
use super::{bits, dense, host, limits, product, steps};

/// The table that is the specification.
pub(crate) fn scalar() -> &'static Kernels {
    available()[available().len() - 1]
}

/// The table of this name.
pub(crate) fn table_named(name: &str) -> Result<&'static Kernels, String> {
    let found = available().iter().find(|table| table.name == name);
    found.copied().ok_or(format!("this machine or build has no table {name}"))
}

/// The format of this name.
pub(crate) fn format_named(name: &str) -> Result<Format, String> {
    let found = Format::ALL.into_iter().find(|format| format.name() == name);
    found.ok_or(format!("no format is named {name}"))
}

/// Opens what a request describes.
pub(crate) fn open(request: &Request, store: &mut Store) -> Result<Case, String> {
    match request.text("name")? {
        "limit" => limits::open(request),
        "step" => steps::open(request),
        "dense" => dense::open(request),
        "binary_bits" => bits::open(request, store),
        _ => product::open(request, store),
    }
}

#[derive(Default)]
struct Server {
    cases: Vec<Case>,
    store: Store,
}

impl Server {
    fn answer(&mut self, request: &Request) -> Result<String, String> {
        match request.text("ask")? {
            "info" => Ok(info()),
            "open" => {
                let case = open(request, &mut self.store)?;
                let work = case.work;
                self.cases.push(case);
                Ok(format!("{{\"case\":{},\"work\":{work}}}", self.cases.len() - 1))
            }
            "time" => {
                let index = request.number("case")?;
                let case = self.cases.get_mut(index).ok_or(format!("there is no case {index}"))?;
                let seconds = case.seconds(request.count("ms")? as f64 / 1e3);
                Ok(format!("{{\"seconds\":{seconds:e}}}"))
            }
            "close" => {
                self.cases.clear();
                Ok("{}".into())
            }
            other => Err(format!("nothing is asked by {other}")),
        }
    }
}

fn info() -> String {
    let quoted = |names: Vec<&str>| {
        names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",")
    };
    let tables = quoted(available().iter().map(|table| table.name).collect());
    let loops = quoted(limits::loops().iter().map(|known| known.name).collect());
    let arch = std::env::consts::ARCH;
    format!("{{\"arch\":\"{arch}\",\"tables\":[{tables}],\"limits\":[{loops}]}}")
}

/// Answers until the input ends.
pub(crate) fn serve() {
    let mut server = Server::default();
    while let Some(line) = host::line() {
        let answered = server.answer(&Request::parse(&line));
        let failed = |why: String| format!("{{\"error\":\"{}\"}}", why.replace('"', "'"));
        host::answer(&answered.unwrap_or_else(failed));
    }
}
