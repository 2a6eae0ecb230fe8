//! A person as the account holds them, field by field beside what was sent.

use serde_json::Value;

/// What an account says of one person.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadBack {
    /// This destination cannot be asked.
    NotAsked,
    /// Nobody has the address.
    Nobody,
    /// The fields that were sent, in the account's spelling.
    Person(Vec<FieldBack>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct FieldBack {
    /// As the account calls it.
    pub field: String,
    /// What was sent.
    pub sent: Value,
    /// What is there; none where there is nothing.
    pub held: Option<Value>,
}

impl FieldBack {
    /// Whether what was sent is there. An account may add to an object, and case does not count in an address.
    pub fn has_arrived(&self) -> bool {
        self.held.as_ref().map_or(self.sent.is_null(), |held| holds(held, &self.sent))
    }
}

fn holds(held: &Value, sent: &Value) -> bool {
    match (held, sent) {
        (Value::Object(held), Value::Object(sent)) => {
            sent.iter().all(|(key, sent)| held.get(key).is_some_and(|held| holds(held, sent)))
        }
        (Value::Array(held), Value::Array(sent)) => sent.iter().all(|sent| held.contains(sent)),
        (Value::Number(held), Value::Number(sent)) => held.as_f64() == sent.as_f64(),
        (Value::String(held), Value::String(sent)) => {
            held == sent || held.to_lowercase() == sent.to_lowercase() && held.contains('@')
        }
        (Value::Null, Value::Null) => true,
        _ => held == sent,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_sent_has_arrived_where_the_account_holds_it() {
        let back = |sent: Value, held: Option<Value>| FieldBack { field: "f".into(), sent, held }.has_arrived();
        for (sent, held) in [
            (json!("a"), json!("a")),
            (json!("A@b.c"), json!("a@b.c")),
            (json!(12.0), json!(12)),
            (json!({ "n": 1 }), json!({ "n": 1, "more": 2 })),
            (json!(["b"]), json!(["a", "b"])),
        ] {
            assert!(back(sent.clone(), Some(held)), "{sent}");
        }
        assert!(back(Value::Null, None) && !back(json!("a"), None) && !back(json!("a"), Some(json!("A"))));
    }
}
