//! Mappings in one spelling: field names with dots as nested objects, nothing that is null.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{is_object, type_of};
use crate::elasticsearch::values::{MAX_DEPTH, Problem, is_deep, mark, too_deep};

/// What a mapping may hold at its top, and of what kind; Elasticsearch refuses all else.
const TOP: [(&str, Shape); 15] = [
    ("_data_stream_timestamp", Shape::Object),
    ("_field_names", Shape::Object),
    ("_meta", Shape::Object),
    ("_routing", Shape::Object),
    ("_size", Shape::Object),
    ("_source", Shape::Object),
    ("date_detection", Shape::Any),
    ("dynamic", Shape::Any),
    ("dynamic_date_formats", Shape::Any),
    ("dynamic_templates", Shape::Templates),
    ("enabled", Shape::Any),
    ("numeric_detection", Shape::Any),
    ("properties", Shape::Fields),
    ("runtime", Shape::Runtime),
    ("subobjects", Shape::Any),
];

#[derive(Clone, Copy)]
enum Shape {
    Any,
    Object,
    Fields,
    Templates,
    Runtime,
}

/// Declared mappings in one spelling.
///
/// # Errors
/// All that can't be worked with: a key that no mapping has at its top, mappings wrapped in a type
/// name, a field that is no object or that is declared twice, Drover's own mark.
pub fn normalise(mappings: &Map<String, Value>) -> Result<Map<String, Value>, Vec<Problem>> {
    let mut former = Former::default();
    let mut found = Map::new();
    for (key, value) in mappings.iter().filter(|(_, value)| !value.is_null()) {
        let path = format!("mappings.{key}");
        let Some((_, shape)) = TOP.iter().find(|(name, _)| name == key) else {
            former.problem(path, top_problem(key, value));
            continue;
        };
        if is_deep(value) {
            former.problem(path, too_deep());
            continue;
        }
        if let Some(value) = former.top(*shape, value, &path, flattens(mappings)) {
            found.insert(key.clone(), value);
        }
    }
    if mappings.get("_meta").and_then(|it| it.get(mark::KEY)).is_some() {
        let path = format!("mappings._meta.{}", mark::KEY);
        former.problem(path, "may not be specified: the mark of the owner is kept there");
    }
    if former.problems.is_empty() { Ok(found) } else { Err(former.problems) }
}

fn top_problem(key: &str, value: &Value) -> String {
    if value.get("properties").is_some() || key == "_doc" {
        return format!("must not be wrapped in a type name: declare what is in `{key}` itself");
    }
    "is nothing that mappings can hold at their top".into()
}

/// Whether fields below keep the dots in their names instead of being objects in objects.
pub(super) fn flattens(object: &Map<String, Value>) -> bool {
    match object.get("subobjects") {
        Some(Value::Bool(it)) => !it,
        Some(Value::String(it)) => it == "false",
        _ => false,
    }
}

/// Normal fields in the form that live ones have which may have been told another `subobjects`:
/// where `flat`, objects are dissolved into dotted names, else a dotted name becomes objects in
/// objects.
pub(super) fn shaped(fields: &Map<String, Value>, flat: bool) -> Cow<'_, Map<String, Value>> {
    let is_nested = |field: &Value| field.as_object().is_some_and(|it| type_of(it) == "object");
    let differs = |(name, field): (&String, &Value)| {
        if flat { is_nested(field) } else { name.contains('.') }
    };
    if !fields.iter().any(differs) {
        return Cow::Borrowed(fields);
    }
    let mut former = Former::default();
    let mut found = Map::new();
    for (name, field) in fields {
        if let Value::Object(field) = field {
            former.put(&mut found, name, field.clone(), "", flat);
        }
    }
    Cow::Owned(found)
}

/// Mappings on the way to one spelling.
#[derive(Default)]
struct Former {
    problems: Vec<Problem>,
}

impl Former {
    fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    fn top(&mut self, shape: Shape, value: &Value, path: &str, flat: bool) -> Option<Value> {
        match (shape, value) {
            (Shape::Any, _) | (Shape::Templates, Value::Array(_)) => Some(value.clone()),
            (Shape::Object, Value::Object(map)) => Some(without_nulls(map).into()),
            (Shape::Fields, _) => {
                let fields = self.object(value, path)?;
                Some(self.fields(&fields, path, flat, 0).into())
            }
            (Shape::Runtime, _) => {
                let runtime = self.object(value, path)?;
                let fields = runtime.iter().filter_map(|(name, field)| {
                    let field = self.object(field, &format!("{path}.{name}"))?;
                    Some((name.clone(), without_nulls(&field).into()))
                });
                Some(fields.collect::<Map<_, _>>().into())
            }
            (Shape::Templates, _) => {
                self.problem(path, "must be a list");
                None
            }
            (Shape::Object, _) => {
                self.problem(path, "must be an object");
                None
            }
        }
    }

    /// The value as an object, for which Elasticsearch takes an empty list too.
    fn object(&mut self, value: &Value, path: &str) -> Option<Map<String, Value>> {
        match value {
            Value::Object(map) => Some(map.clone()),
            Value::Array(items) if items.is_empty() => Some(Map::new()),
            _ => {
                self.problem(path, "must be an object");
                None
            }
        }
    }

    fn fields(
        &mut self,
        fields: &Map<String, Value>,
        path: &str,
        flat: bool,
        depth: usize,
    ) -> Map<String, Value> {
        let mut found = Map::new();
        for (name, field) in fields {
            let path = format!("{path}.{name}");
            let depth = depth + name.split('.').count();
            if name.split('.').any(|part| part.trim().is_empty()) {
                self.problem(path, "must not have an empty name or an empty part between dots");
            } else if depth > MAX_DEPTH {
                self.problem(path, too_deep());
            } else if let Some(field) = self.object(field, &path) {
                let field = self.field(&field, &path, flat, depth);
                self.put(&mut found, name, field, &path, flat);
            }
        }
        found
    }

    fn field(
        &mut self,
        field: &Map<String, Value>,
        path: &str,
        flat: bool,
        depth: usize,
    ) -> Map<String, Value> {
        let mut found = without_nulls(field);
        let flat = flat || flattens(&found);
        for (key, below) in [("properties", flat), ("fields", true)] {
            let path = format!("{path}.{key}");
            let Some(inner) = found.remove(key).and_then(|it| self.object(&it, &path)) else {
                continue;
            };
            if key == "fields" && inner.keys().any(|name| name.contains('.')) {
                self.problem(path.as_str(), "must not have names with dots");
            }
            let inner = self.fields(&inner, &path, below, depth);
            found.insert(key.into(), inner.into());
        }
        if found.get("type").is_some_and(|it| !it.is_string()) {
            self.problem(format!("{path}.type"), "must be a text");
        }
        found
    }

    /// Puts a field at its place, which a dotted name or a flat scope changes.
    fn put(
        &mut self,
        fields: &mut Map<String, Value>,
        name: &str,
        mut field: Map<String, Value>,
        path: &str,
        flat: bool,
    ) {
        if flat && type_of(&field) == "object" {
            // What an object says of itself means nothing here, and Elasticsearch drops it.
            if let Some(Value::Object(inner)) = field.remove("properties") {
                for (inner_name, inner) in inner {
                    if let Value::Object(inner) = inner {
                        self.put(fields, &format!("{name}.{inner_name}"), inner, path, true);
                    }
                }
            }
            return;
        }
        let (first, rest) = match name.split_once('.') {
            Some((first, rest)) if !flat => (first, Some(rest)),
            _ => (name, None),
        };
        if let Some(rest) = rest {
            let mut inner = Map::new();
            self.put(&mut inner, rest, field, path, false);
            field = Map::from_iter([("properties".to_owned(), inner.into())]);
        }
        match fields.get_mut(first) {
            Some(Value::Object(other)) => self.merge(other, field, path),
            _ => {
                fields.insert(first.to_owned(), field.into());
            }
        }
    }

    /// Joins two declarations of one field. Both may say the same, and objects may be declared in
    /// parts.
    fn merge(&mut self, into: &mut Map<String, Value>, from: Map<String, Value>, path: &str) {
        let mixed = is_object(type_of(into)) != is_object(type_of(&from));
        for (key, value) in from {
            match (into.get_mut(&key), value) {
                (Some(Value::Object(old)), Value::Object(new)) if key == "properties" => {
                    for (name, field) in new {
                        match (old.get_mut(&name), field) {
                            (Some(Value::Object(old)), Value::Object(field)) => {
                                self.merge(old, field, path);
                            }
                            (_, field) => {
                                old.insert(name, field);
                            }
                        }
                    }
                }
                (Some(old), new) if *old != new => {
                    self.problem(path, format!("is declared a second time, with another `{key}`"));
                }
                (Some(_), _) => {}
                (None, new) => {
                    into.insert(key, new);
                }
            }
        }
        if mixed {
            self.problem(path, "is declared a second time, once with fields below it");
        }
    }
}

fn without_nulls(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect()
}
