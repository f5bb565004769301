//! Objects in JSON with what stands between their values.

use heirloom_base::json::too_deep;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::ops::Range;

/// What stands around the members of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Style {
    /// Before the first name.
    open: String,
    /// Between a name and its value.
    colon: String,
    /// Between a value and the next name.
    comma: String,
    /// Behind the last value.
    close: String,
}

impl Default for Style {
    fn default() -> Self {
        let text = str::to_owned;
        Self { open: text("{\n  "), colon: text(": "), comma: text(",\n  "), close: text("\n}\n") }
    }
}

impl Style {
    /// Returns an object with these members.
    pub(super) fn written(&self, members: &[(String, String)]) -> String {
        if members.is_empty() {
            return "{}\n".to_owned();
        }
        let members: Vec<String> = members
            .iter()
            .map(|(name, raw)| format!("{}{}{raw}", Json::String(name.clone()), self.colon))
            .collect();
        format!("{}{}{}", self.open, members.join(&self.comma), self.close)
    }

    pub(super) fn to_json(&self) -> Json {
        Json::from(vec![&*self.open, &*self.colon, &*self.comma, &*self.close])
    }

    /// Reads a style; one that would not make JSON is refused.
    pub(super) fn from_json(json: &Json) -> Option<Self> {
        let part = |at: usize| Some(json.get(at)?.as_str()?.to_owned());
        let style = Self { open: part(0)?, colon: part(1)?, comma: part(2)?, close: part(3)? };
        let sample = style.written(&[("a".into(), "1".into()), ("b".into(), "2".into())]);
        let sample = object(sample.as_bytes()).ok()?;
        (sample.order == ["a", "b"]).then_some(style)
    }
}

/// An object, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// The whole text.
    pub(super) source: String,
    /// The values as they stand in the text.
    pub(super) members: BTreeMap<String, String>,
    /// The names in the order of the text.
    pub(super) order: Vec<String>,
    /// What stands around them.
    pub(super) style: Style,
}

/// Returns the value that a text is.
pub(super) fn value(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok()
}

/// Reads an object, or tells the line and the reason why it is none.
pub(super) fn object(bytes: &[u8]) -> Result<Object, (usize, String)> {
    let source =
        String::from_utf8(bytes.to_vec()).map_err(|_| (1, "the text is not UTF-8".to_owned()))?;
    let text = source.strip_prefix('\u{feff}').unwrap_or(&source);
    if let Some(at) = too_deep(text.as_bytes()) {
        let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        return Err((line, "the object is nested deeper than 64 levels".to_owned()));
    }
    let parsed: Json = serde_json::from_str(text)
        .map_err(|error| (error.line(), format!("this is no JSON: {error}")))?;
    if !parsed.is_object() {
        return Err((1, "this is no JSON object".to_owned()));
    }
    let start = source.len() - text.len();
    let spans = spans(&source, start);
    let slice = |range: Range<usize>| source.get(range).unwrap_or_default().to_owned();
    let named = spans.iter().filter_map(|(name, raw)| {
        Some((serde_json::from_str::<String>(source.get(name.clone())?).ok()?, slice(raw.clone())))
    });
    let named: Vec<(String, String)> = named.collect();
    let mut order: Vec<String> = Vec::new();
    let mut members = BTreeMap::new();
    for (name, raw) in named {
        if members.insert(name.clone(), raw).is_none() {
            order.push(name);
        }
    }
    let style = style(&spans, &slice, source.len());
    Ok(Object { members, order, style, source })
}

fn style(
    spans: &[(Range<usize>, Range<usize>)],
    slice: &impl Fn(Range<usize>) -> String,
    length: usize,
) -> Style {
    let (Some((name, raw)), Some((_, last))) = (spans.first(), spans.last()) else {
        return Style::default();
    };
    let between = spans.get(1).map(|(second, _)| slice(raw.end..second.start));
    let open = slice(0..name.start);
    let comma = between.unwrap_or_else(|| match open.rsplit_once('{') {
        Some((_, space)) => format!(",{space}"),
        None => Style::default().comma,
    });
    Style { colon: slice(name.end..raw.start), comma, close: slice(last.end..length), open }
}

/// Returns where the names and values of an object stand, which is known to
/// be JSON.
fn spans(text: &str, start: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let bytes = text.as_bytes();
    let skip = |mut at: usize, set: &[u8]| {
        while bytes.get(at).is_some_and(|byte| set.contains(byte)) {
            at += 1;
        }
        at
    };
    let mut spans = Vec::new();
    let mut at = skip(start, b" \t\r\n{");
    while bytes.get(at) == Some(&b'"') {
        let name = at..end_of_value(bytes, at);
        let value = skip(name.end, b" \t\r\n:");
        let raw = value..end_of_value(bytes, value);
        at = skip(raw.end, b" \t\r\n,");
        spans.push((name, raw));
    }
    spans
}

/// Returns where the value ends that begins here.
fn end_of_value(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut is_text, mut is_escaped) = (0usize, false, false);
    let is_simple = !matches!(bytes.get(start), Some(b'"' | b'{' | b'['));
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        if is_simple && matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n') {
            return at;
        }
        match (is_text, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => is_text = !is_text,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (_, _) => {}
        }
        if !is_simple && depth == 0 && !is_text {
            return at + 1;
        }
    }
    bytes.len()
}
