//! A small Elasticsearch: what it stores of mappings, shows of them and refuses to change.
//!
//! It is written from what the servers do, not from what the comparison knows, and is itself held
//! against their answers in `recorded`.

use serde_json::{Map, Value, json};

use super::field_model::{boolean, hidden, leaf, list, text};

pub(super) type Object = Map<String, Value>;

/// An index with mappings.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// As shown, but each field with its type.
    mappings: Object,
}

/// An index that was created with the mappings.
#[track_caller]
pub(super) fn created(given: &Object) -> Index {
    let mut index = Index::default();
    index.put(given).unwrap();
    index
}

impl Index {
    /// What `GET /index` shows.
    pub(super) fn shown(&self) -> Object {
        let mut shown = self.mappings.clone();
        if let Some(Value::Object(fields)) = shown.remove("properties")
            && !fields.is_empty()
        {
            shown.insert("properties".into(), shown_fields(&fields));
        }
        shown
    }

    /// `PUT /index/_mapping`: all of it or, refused with a reason, nothing.
    pub(super) fn put(&mut self, body: &Object) -> Result<(), String> {
        let mut next = self.mappings.clone();
        if let Some(value) = body.get("subobjects") {
            keep(&mut next, "subobjects", boolean(value), &json!(true))?;
        }
        let flat = next.get("subobjects") == Some(&json!(false));
        for (key, value) in body {
            match key.as_str() {
                "subobjects" => {}
                "properties" => {
                    let fields = entry(&mut next, "properties");
                    for (name, field) in object(value) {
                        merge(fields, &name, &object(&field), flat)?;
                    }
                }
                "runtime" => {
                    let fields = entry(&mut next, "runtime");
                    fields.extend(object(value).into_iter().map(|(k, v)| (k, runtime(&v))));
                }
                "dynamic" => drop(next.insert(key.clone(), text(value))),
                "date_detection" | "numeric_detection" => {
                    next.insert(key.clone(), boolean(value));
                }
                "dynamic_date_formats" => drop(next.insert(key.clone(), list(value))),
                "enabled" => keep(&mut next, key, boolean(value), &json!(true))?,
                "_source" | "_routing" => metadata(&mut next, key, &object(value))?,
                _ => drop(next.insert(key.clone(), value.clone())),
            }
        }
        self.mappings = next;
        Ok(())
    }
}

fn metadata(mappings: &mut Object, key: &str, given: &Object) -> Result<(), String> {
    let mut shown = mappings.get(key).map(object).unwrap_or_default();
    for (name, default) in
        [("enabled", json!(true)), ("required", json!(false)), ("includes", json!([]))]
    {
        let value = given.get(name).cloned().unwrap_or_else(|| default.clone());
        let value = if name == "includes" { value } else { boolean(&value) };
        if mappings.contains_key(key) || given.contains_key(name) {
            keep(&mut shown, name, value, &default)?;
        }
    }
    if !shown.is_empty() {
        mappings.insert(key.into(), shown.into());
    }
    Ok(())
}

/// Sets what can be set but once; what equals the default is not shown.
fn keep(map: &mut Object, key: &str, value: Value, default: &Value) -> Result<(), String> {
    match map.get(key) {
        Some(old) if *old != value => Err(format!("[{key}] can't be updated")),
        None if value != *default => {
            map.insert(key.into(), value);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn merge(fields: &mut Object, name: &str, given: &Object, flat: bool) -> Result<(), String> {
    let kind = kind(given);
    if flat && kind == "object" {
        for (inner_name, inner) in given.get("properties").map(object).unwrap_or_default() {
            merge(fields, &format!("{name}.{inner_name}"), &object(&inner), true)?;
        }
        return Ok(());
    }
    if !flat && let Some((first, rest)) = name.split_once('.') {
        let inner = map([("properties", json!({ rest: given }))]);
        return merge(fields, first, &inner, false);
    }
    let Some(old) = fields.get(name).map(object) else {
        let mut field = map([("type", json!(kind))]);
        if nests(kind) {
            merge_object(&mut field, given, flat)?;
        } else {
            field = leaf(given);
            merge_inner(&mut field, "fields", given, true)?;
        }
        fields.insert(name.into(), field.into());
        return Ok(());
    };
    if old["type"] != kind {
        return Err(format!("mapper [{name}] cannot be changed from type [{}]", old["type"]));
    }
    let mut new = old.clone();
    if nests(kind) {
        if ["include_in_parent", "include_in_root"]
            .iter()
            .any(|it| old.contains_key(*it) && !given.contains_key(*it))
        {
            return Err(format!("[include_in_parent] of [{name}] can't be updated"));
        }
        merge_object(&mut new, given, flat)?;
    } else {
        new = leaf(given);
        let names = old.keys().chain(new.keys()).filter(|it| *it != "fields");
        for parameter in names {
            let (old, new) = (old.get(parameter), new.get(parameter));
            if old != new && !updateable(kind, parameter, old, new) {
                return Err(format!("Cannot update parameter [{parameter}] of [{name}]"));
            }
        }
        new.extend(old.get("fields").map(|it| ("fields".to_owned(), it.clone())));
        merge_inner(&mut new, "fields", given, true)?;
    }
    fields.insert(name.into(), new.into());
    Ok(())
}

fn merge_object(field: &mut Object, given: &Object, flat: bool) -> Result<(), String> {
    for (key, value) in given {
        match key.as_str() {
            "type" | "properties" => {}
            "dynamic" => drop(field.insert(key.clone(), text(value))),
            "include_in_parent" | "include_in_root" => {
                keep(field, key, boolean(value), &json!(false))?;
            }
            "enabled" | "subobjects" => keep(field, key, boolean(value), &json!(true))?,
            _ => return Err(format!("unsupported parameter [{key}]")),
        }
    }
    let flat = flat || field.get("subobjects") == Some(&json!(false));
    merge_inner(field, "properties", given, flat)
}

fn merge_inner(field: &mut Object, key: &str, given: &Object, flat: bool) -> Result<(), String> {
    let inner = given.get(key).map(object).unwrap_or_default();
    for (name, inner) in inner {
        merge(entry(field, key), &name, &object(&inner), flat)?;
    }
    Ok(())
}

fn updateable(kind: &str, parameter: &str, old: Option<&Value>, new: Option<&Value>) -> bool {
    match parameter {
        "coerce"
        | "copy_to"
        | "depth_limit"
        | "eager_global_ordinals"
        | "fielddata"
        | "fielddata_frequency_filter"
        | "ignore_above"
        | "ignore_malformed"
        | "ignore_z_value"
        | "max_input_length"
        | "meta"
        | "search_analyzer"
        | "search_quote_analyzer"
        | "split_queries_on_whitespace" => true,
        "path" => kind == "alias",
        "norms" if kind == "text" => new == Some(&json!(false)),
        "norms" => new.is_none(),
        // It is only shown or not beside other analyzers.
        "analyzer" => [old, new].iter().all(|it| it.is_none_or(|it| it == "default")),
        "dims" => old.is_none(),
        "index_options" if kind == "dense_vector" => {
            let (Some(old), Some(new)) = (old, new) else { return false };
            old["type"] == new["type"] && old["m"].as_u64() <= new["m"].as_u64()
        }
        "relations" => {
            let (Some(old), Some(new)) = (old, new) else { return false };
            old["q"] == "a" || new["q"] != "a"
        }
        _ => false,
    }
}

fn runtime(given: &Value) -> Value {
    let mut shown = object(given);
    if let Some(Value::String(source)) = shown.get("script") {
        let script = json!({ "source": source, "lang": "painless" });
        shown.insert("script".into(), script);
    }
    shown.retain(|name, value| !hidden("date", name, value));
    shown.into()
}

fn shown_fields(fields: &Object) -> Value {
    let one = |(name, field): (&String, &Value)| {
        let mut shown = object(field);
        for key in ["properties", "fields"] {
            if let Some(Value::Object(inner)) = shown.remove(key)
                && !inner.is_empty()
            {
                shown.insert(key.into(), shown_fields(&inner));
            }
        }
        if shown["type"] == "object" && shown.contains_key("properties") {
            shown.remove("type");
        }
        (name.clone(), Value::Object(shown))
    };
    fields.iter().map(one).collect()
}

pub(super) fn kind(field: &Object) -> &str {
    field.get("type").map_or("object", |it| it.as_str().unwrap())
}

fn nests(kind: &str) -> bool {
    matches!(kind, "object" | "nested")
}

pub(super) fn map<const N: usize>(entries: [(&str, Value); N]) -> Object {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn entry<'a>(into: &'a mut Object, key: &str) -> &'a mut Object {
    into.entry(key).or_insert_with(|| json!({})).as_object_mut().unwrap()
}

/// An empty list is taken for an empty object.
pub(super) fn object(value: &Value) -> Object {
    value.as_object().cloned().unwrap_or_default()
}
