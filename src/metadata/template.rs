//! Values of identity fields as operators write them: text with `{device_id}` and the like inside.

use http::HeaderValue;

use super::{Guest, Identity};

/// What a template can name.
const NAMES: [(&str, Value); 7] = [
    ("device_id", Value::DeviceId),
    ("project_id", Value::ProjectId),
    ("hostname", Value::Hostname),
    ("mac", Value::Mac),
    ("vlan", Value::Vlan),
    ("network", Value::Network),
    ("source", Value::Source),
];

/// A header field's value with places for what is known of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    DeviceId,
    ProjectId,
    Hostname,
    Mac,
    Vlan,
    Network,
    Source,
}

/// A guest without the identity that an upstream has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nameless;

impl Template {
    /// Reads a template: `{name}` is a place, `{{` and `}}` are braces.
    ///
    /// # Errors
    /// What is wrong, and what may be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        if HeaderValue::from_str(text).is_err() {
            return Err("a header field's value has printable characters only".into());
        }
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(tail) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.extend(from.chars().take(1));
                rest = tail;
                continue;
            }
            let place = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let (name, tail) = place.ok_or("a brace without its partner: write {{ or }} for a brace")?;
            let (_, value) = NAMES.iter().find(|(known, _)| *known == name).ok_or_else(|| unknown(name))?;
            parts.extend((!plain.is_empty()).then(|| Part::Text(std::mem::take(&mut plain))));
            parts.push(Part::Value(*value));
            rest = tail;
        }
        plain.push_str(rest);
        parts.extend((!plain.is_empty()).then_some(Part::Text(plain)));
        Ok(Self(parts))
    }

    /// The instance id alone.
    pub(super) fn device_id() -> Self {
        Self(vec![Part::Value(Value::DeviceId)])
    }

    /// The project id alone.
    pub(super) fn project_id() -> Self {
        Self(vec![Part::Value(Value::ProjectId)])
    }

    /// The address alone that the guest's end of its connection has.
    pub(super) fn source() -> Self {
        Self(vec![Part::Value(Value::Source)])
    }

    /// The field's value for a guest. `None` when the field is to be left out, because the guest has no name.
    pub(super) fn fill(
        &self,
        guest: &Guest,
        identity: &Identity<'_>,
    ) -> Result<Option<HeaderValue>, Nameless> {
        let port = guest.port().ok_or(Nameless)?;
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Value(Value::DeviceId) => text.push_str(identity.device_id.as_deref().ok_or(Nameless)?),
                Part::Value(Value::ProjectId) => {
                    text.push_str(identity.project_id.as_deref().ok_or(Nameless)?);
                }
                Part::Value(Value::Hostname) => match identity.hostname.as_deref() {
                    Some(name) => text.push_str(name),
                    None => return Ok(None),
                },
                Part::Value(Value::Mac) => text.push_str(&port.mac().to_string()),
                Part::Value(Value::Vlan) => text.push_str(&port.vlan().to_string()),
                Part::Value(Value::Network) => text.push_str(port.network().name()),
                Part::Value(Value::Source) => text.push_str(&guest.source().to_string()),
            }
        }
        // What no field can carry identifies nobody.
        HeaderValue::from_str(&text)
            .or_else(|_| HeaderValue::from_bytes(text.as_bytes()))
            .map(Some)
            .map_err(|_| Nameless)
    }
}

fn unknown(name: &str) -> String {
    let known: Vec<String> = NAMES.iter().map(|(known, _)| format!("{{{known}}}")).collect();
    format!("{{{name}}} is not known of a guest; there are {}", known.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_text_with_places() {
        let template = Template::parse("{{{device_id}}} on {network}").expect("good");
        let text = |text: &str| Part::Text(text.to_owned());
        let parts = vec![text("{"), Part::Value(Value::DeviceId), text("} on "), Part::Value(Value::Network)];
        assert_eq!(template, Template(parts));
        assert_eq!(Template::parse(""), Ok(Template(Vec::new())));
    }

    #[test]
    fn what_is_no_template_says_why() {
        for (text, why) in [
            (
                "{tenant}",
                "{tenant} is not known of a guest; there are {device_id} {project_id} {hostname} {mac}",
            ),
            ("{device_id", "a brace without its partner"),
            ("x}", "a brace without its partner"),
            ("x\ny", "printable characters only"),
        ] {
            let problem = Template::parse(text).expect_err(text);
            assert!(problem.contains(why), "{text}: {problem}");
        }
    }
}
