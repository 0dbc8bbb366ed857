//! Parameters of a query or a body.

use serde_json::Value;
use url::form_urlencoded;

/// Named values in the order in which they were sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn form(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The members of a JSON object, arrays as repeated values; none if it is no such thing.
    pub(crate) fn json(text: &[u8]) -> Self {
        let Ok(Value::Object(members)) = serde_json::from_slice(text) else {
            return Self::default();
        };
        let mut pairs = Vec::new();
        for (name, value) in members {
            match value {
                Value::Array(values) => {
                    pairs.extend(values.into_iter().map(|one| (name.clone(), plain(one))));
                }
                value => pairs.push((name, plain(value))),
            }
        }
        Self(pairs)
    }

    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The first value of this name. As at Logto, an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The first name given more than once, apart from `resource`, which may be.
    pub(crate) fn repeated(&self) -> Option<&str> {
        self.0.iter().enumerate().find_map(|(index, (name, _))| {
            let again = self.0[index + 1..].iter().any(|(other, _)| other == name);
            (again && name != "resource").then_some(name.as_str())
        })
    }
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
