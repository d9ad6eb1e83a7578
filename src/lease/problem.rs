//! What is wrong with a lease source: where, what, and what to do about it. It refuses to stop at the first one.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No table is made.
    Error,
    /// A table is made; it may not do what was meant.
    Warning,
}

/// One problem of a lease source.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Name of the file, as the caller gave it.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: usize,
    /// Path of the field, as `networks.private.subnets[0].cidr`; empty when the text itself is broken.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// The offending value as it was read; empty when there is none.
    pub value: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    /// `file:line: error: field: what (value); remedy`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(out, "{}:{}: {severity}: ", self.file, self.line)?;
        if !self.field.is_empty() {
            write!(out, "{}: ", self.field)?;
        }
        write!(out, "{}", self.what)?;
        if !self.value.is_empty() {
            write!(out, " ({})", self.value)?;
        }
        write!(out, "; {}", self.remedy)
    }
}

/// One step of the path to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of a table.
    Key(Cow<'static, str>),
    /// An entry of a list, counted from 0.
    Index(usize),
}

/// The path to a field, from the top of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field(pub(super) Vec<Step>);

impl Field {
    /// The top of the file.
    pub(super) fn top() -> Self {
        Self::default()
    }

    /// The field of a network.
    pub(super) fn network(name: &str) -> Self {
        Self::top().key("networks").key(name.to_owned())
    }

    /// The field of a port.
    pub(super) fn port(index: usize) -> Self {
        Self::top().key("ports").index(index)
    }

    /// The field below it.
    pub(super) fn key(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.0.push(Step::Key(key.into()));
        self
    }

    /// The entry of it.
    pub(super) fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            let bare = |key: &str| {
                !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            };
            match step {
                Step::Index(index) => write!(out, "[{index}]")?,
                Step::Key(key) if bare(key) => write!(out, "{}{key}", if i == 0 { "" } else { "." })?,
                Step::Key(key) => write!(out, "{}{key:?}", if i == 0 { "" } else { "." })?,
            }
        }
        Ok(())
    }
}

/// A problem whose line is not known yet.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) field: Field,
    /// Offset in the text where it is known; otherwise it is looked up by the field.
    pub(super) at: Option<usize>,
    pub(super) what: Cow<'static, str>,
    pub(super) value: String,
    pub(super) remedy: Cow<'static, str>,
}

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// Adds an error.
    pub(super) fn error(
        &mut self,
        field: Field,
        what: impl Into<Cow<'static, str>>,
        value: impl fmt::Display,
        remedy: impl Into<Cow<'static, str>>,
    ) {
        self.add(Severity::Error, field, what.into(), value.to_string(), remedy.into());
    }

    /// Adds a warning.
    pub(super) fn warning(
        &mut self,
        field: Field,
        what: impl Into<Cow<'static, str>>,
        value: impl fmt::Display,
        remedy: impl Into<Cow<'static, str>>,
    ) {
        self.add(Severity::Warning, field, what.into(), value.to_string(), remedy.into());
    }

    fn add(
        &mut self,
        severity: Severity,
        field: Field,
        what: Cow<'static, str>,
        value: String,
        remedy: Cow<'static, str>,
    ) {
        self.0.push(Finding { severity, field, at: None, what, value, remedy });
    }

    /// True when a table cannot be made.
    pub(super) fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_written_as_people_write_it() {
        let field = Field::network("private").key("subnets").index(0).key("cidr");
        assert_eq!(field.to_string(), "networks.private.subnets[0].cidr");
        assert_eq!(Field::network("a b").key("mtu").to_string(), "networks.\"a b\".mtu");
        assert_eq!(Field::port(17).key("mac_address").to_string(), "ports[17].mac_address");
    }

    #[test]
    fn a_problem_is_one_line_with_place_value_and_remedy() {
        let mut problem = Problem {
            severity: Severity::Error,
            file: "leases.toml".into(),
            line: 7,
            field: "ports[0].network".into(),
            what: "no such network".into(),
            value: "blue".into(),
            remedy: "define it".into(),
        };
        assert_eq!(
            problem.to_string(),
            "leases.toml:7: error: ports[0].network: no such network (blue); define it"
        );
        problem.field.clear();
        problem.value.clear();
        problem.severity = Severity::Warning;
        assert_eq!(problem.to_string(), "leases.toml:7: warning: no such network; define it");
    }
}
