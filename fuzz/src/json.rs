//! JSON that is damaged and still JSON.

use heirloom_sim::rng::Rng;
use serde_json::{Value, json};

/// Replaces one value within a JSON text, or exchanges two; a text that is no
/// JSON stays as it is.
#[must_use]
pub fn damage(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let Ok(mut tree) = serde_json::from_slice::<Value>(&bytes) else { return bytes };
    let places = count(&tree);
    let mut at = rng.index(places.max(1));
    let new = odd(rng);
    replace(&mut tree, &mut at, new);
    serde_json::to_vec(&tree).unwrap_or(bytes)
}

fn count(tree: &Value) -> usize {
    1 + match tree {
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        Value::Object(members) => members.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn replace(tree: &mut Value, at: &mut usize, new: Value) -> Option<Value> {
    if *at == 0 {
        *tree = new;
        return None;
    }
    *at -= 1;
    let mut new = Some(new);
    match tree {
        Value::Array(items) => {
            for item in items {
                new = replace(item, at, new?);
            }
        }
        Value::Object(members) => {
            for member in members.values_mut() {
                new = replace(member, at, new?);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    new
}

fn odd(rng: &mut Rng) -> Value {
    match rng.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(u64::MAX),
        5 => json!(i64::MIN),
        6 => json!(1.5e300),
        7 => json!(""),
        8 => json!("\u{0}\u{202e}\u{feff}\u{10ffff}"),
        9 => json!("x".repeat(2_000)),
        10 => json!([]),
        11 => json!({}),
        12 => json!({"$serde_json::private::Number": "1"}),
        13 => json!([[[[[[[["deep"]]]]]]]]),
        14 => json!("9999-12-31T23:59:60Z"),
        _ => json!(rng.number()),
    }
}
