//! Rules of mappings, one by one.

use serde_json::{Value, json};

use super::{
    super::{
        mappings::{self, MappingDifference, normalise},
        mark,
        settings::Flat,
    },
    map, owner, refused,
};

#[track_caller]
fn difference(desired: &Value, live: &Value) -> MappingDifference {
    let desired = normalise(&map(desired)).unwrap();
    mappings::difference(&desired, &map(live), &Flat::new())
}

fn one(field: &Value) -> Value {
    json!({ "properties": { "f": field } })
}

/// What is sent for the field `f`.
#[track_caller]
fn sent(desired: &Value, live: &Value) -> Value {
    let found = difference(&one(desired), &one(live));
    assert_eq!(found.impossible, [], "{desired} {live}");
    Value::Object(found.body.unwrap())["properties"]["f"].clone()
}

/// Paths of what can't be changed, nothing being sent.
#[track_caller]
fn impossible(desired: &Value, live: &Value) -> Vec<String> {
    let found = difference(desired, live);
    assert_eq!(found.body, None, "{desired} {live}");
    assert_eq!(found.additions, []);
    found.impossible.into_iter().map(|it| it.path).collect()
}

#[test]
fn a_new_field_is_sent_alone() {
    let desired = json!({"properties": {"a": {"type": "long"}, "b.c": {"type": "keyword"}}});
    let live = json!({"properties": {"a": {"type": "long"}, "b": {"properties": {}}}});
    let found = difference(&desired, &live);
    let body = json!({"properties": {"b": {"type": "object", "properties": {
        "c": {"type": "keyword"},
    }}}});
    assert_eq!(found.body.map(Value::Object), Some(body));
    let paths: Vec<_> = found.additions.iter().map(|it| &*it.path).collect();
    assert_eq!(paths, ["mappings.properties.b.properties.c"]);
    assert_eq!(found.additions[0].live, None);
}

#[test]
fn a_changed_field_is_sent_with_all_that_it_is() {
    // What is not said again would go back to its default, or refuse the request.
    let live = json!({"type": "keyword", "index": false, "meta": {"a": "b"}, "fields": {
        "raw": {"type": "text"},
    }});
    let desired = json!({"type": "keyword", "ignore_above": 256});
    let wanted =
        json!({"type": "keyword", "index": false, "meta": {"a": "b"}, "ignore_above": 256});
    assert_eq!(sent(&desired, &live), wanted);
}

#[test]
fn a_new_sub_field_is_sent_with_its_field() {
    let live = json!({"type": "text", "analyzer": "x", "fields": {"raw": {"type": "keyword"}}});
    let desired = json!({"type": "text", "fields": {
        "raw": {"type": "keyword"}, "en": {"type": "text", "analyzer": "y"},
    }});
    let wanted = json!({"type": "text", "analyzer": "x", "fields": {
        "en": {"type": "text", "analyzer": "y"},
    }});
    assert_eq!(sent(&desired, &live), wanted);
}

#[test]
fn an_analyzer_that_would_follow_another_one_is_sent_beside_it() {
    let desired =
        json!({"type": "text", "search_analyzer": "x", "search_quote_analyzer": "default"});
    assert_eq!(sent(&desired, &json!({"type": "text"})), desired);
}

#[test]
fn an_object_on_the_way_is_sent_with_its_type_and_what_it_is() {
    let live = json!({"type": "nested", "include_in_parent": true, "dynamic": "strict"});
    let desired = json!({"type": "nested", "properties": {"n": {"type": "long"}}});
    let wanted = json!({
        "type": "nested", "include_in_parent": true, "dynamic": "strict",
        "properties": {"n": {"type": "long"}},
    });
    assert_eq!(sent(&desired, &live), wanted);
}

#[test]
fn dotted_names_stay_where_there_are_no_objects_in_objects() {
    let live = json!({"subobjects": false, "properties": {"a": {"type": "long"}}});
    let desired = json!({"properties": {"a.b": {"type": "long"}, "a": {"type": "long"}}});
    let desired = json!({"subobjects": false, "properties": desired["properties"]});
    let body = json!({"subobjects": false, "properties": {"a.b": {"type": "long"}}});
    assert_eq!(difference(&desired, &live).body.map(Value::Object), Some(body));
    // Also where the spec does not say so, and where it says it of an index that is otherwise.
    let nested = json!({"properties": {"b": {"properties": {"c": {"type": "long"}}}}});
    let body = json!({"subobjects": false, "properties": {"b.c": {"type": "long"}}});
    assert_eq!(difference(&nested, &live).body.map(Value::Object), Some(body));
    let flat = json!({"subobjects": false, "properties": {"b.c": {"type": "long"}}});
    assert_eq!(impossible(&flat, &nested), ["mappings.subobjects"]);
}

#[test]
fn what_the_spec_does_not_declare_is_no_difference() {
    let live = json!({
        "dynamic": "strict", "_source": {"enabled": false}, "runtime": {"r": {"type": "long"}},
        "properties": {
            "a": {"type": "keyword", "ignore_above": 256, "fields": {"b": {"type": "text"}}},
            "others": {"type": "long"},
        },
    });
    let desired = json!({"properties": {"a": {"type": "keyword"}}, "runtime": {}});
    assert_eq!(difference(&desired, &live), MappingDifference::default());
    assert_eq!(difference(&json!({}), &live), MappingDifference::default());
}

#[test]
fn parameters_that_elasticsearch_takes_later_are_sent() {
    let check = |kind: &str, name: &str, old: Value, new: Value| {
        let mut live = json!({ "type": kind });
        let mut desired = json!({ "type": kind });
        desired[name] = new;
        if !old.is_null() {
            live[name] = old;
        }
        assert_eq!(sent(&desired, &live), desired, "{kind} {name}");
    };
    check("keyword", "ignore_above", json!(256), json!(512));
    check("keyword", "eager_global_ordinals", json!(null), json!(true));
    check("keyword", "split_queries_on_whitespace", json!(null), json!(true));
    check("keyword", "norms", json!(true), json!(false));
    check("keyword", "copy_to", json!(["a", "b"]), json!(["b"]));
    check("keyword", "meta", json!({"a": "b", "c": "d"}), json!({"a": "b"}));
    check("text", "norms", json!(null), json!(false));
    check("text", "fielddata", json!(null), json!("true"));
    check("text", "fielddata_frequency_filter", json!(null), json!({"min": 0.1}));
    check("text", "search_analyzer", json!(null), json!("x"));
    check("text", "search_quote_analyzer", json!("x"), json!("y"));
    check("long", "coerce", json!(null), json!(true));
    check("long", "ignore_malformed", json!(false), json!(true));
    check("date", "ignore_malformed", json!(null), json!(true));
    check("geo_point", "ignore_z_value", json!(null), json!(false));
    check("geo_shape", "orientation", json!("right"), json!("left"));
    check("flattened", "depth_limit", json!(null), json!(5));
    check("completion", "max_input_length", json!(50), json!(20));
    check("alias", "path", json!("a"), json!("b"));
    check("token_count", "analyzer", json!("a"), json!("b"));
    check("constant_keyword", "value", json!(null), json!("a"));
    check("dense_vector", "dims", json!(null), json!(4));
    check("sparse_vector", "index_options", json!({"prune": true}), json!({"prune": false}));
    check("join", "relations", json!({"q": "a"}), json!({"q": ["a", "b"], "r": "c"}));
    check("object", "dynamic", json!("strict"), json!(true));
    check("passthrough", "priority", json!(1), json!(2));
}

#[test]
fn all_other_parameters_need_another_index() {
    let check = |kind: &str, name: &str, old: Value, new: Value| {
        let mut live = json!({ "type": kind });
        let mut desired = json!({ "type": kind });
        desired[name] = new;
        if !old.is_null() {
            live[name] = old;
        }
        let path = format!("mappings.properties.f.{name}");
        assert_eq!(impossible(&one(&desired), &one(&live)), [path], "{kind}");
    };
    check("keyword", "index", json!(null), json!(false));
    check("keyword", "doc_values", json!(false), json!(true));
    check("keyword", "norms", json!(null), json!(true));
    check("keyword", "null_value", json!(null), json!("x"));
    check("keyword", "normalizer", json!("a"), json!("b"));
    check("text", "analyzer", json!(null), json!("standard"));
    check("text", "norms", json!(false), json!(true));
    check("text", "index_options", json!(null), json!("docs"));
    check("text", "similarity", json!(null), json!("boolean"));
    check("date", "format", json!(null), json!("yyyy"));
    check("date", "locale", json!(null), json!("de"));
    check("long", "store", json!(null), json!(true));
    check("scaled_float", "scaling_factor", json!(10.0), json!(100));
    check("object", "enabled", json!(null), json!(false));
    check("object", "synthetic_source_keep", json!("none"), json!("all"));
    check("nested", "include_in_root", json!(null), json!(true));
    check("constant_keyword", "value", json!("a"), json!("b"));
    check("dense_vector", "dims", json!(3), json!(4));
    check("join", "relations", json!({"q": ["a", "b"]}), json!({"q": "a"}));
    check("join", "relations", json!({"q": "a"}), json!({"q": "a", "a": "b"}));
    check("of_some_plugin", "unheard_of", json!(null), json!(1));
}

#[test]
fn a_vector_index_goes_one_way() {
    let vector = |options: Value| one(&json!({"type": "dense_vector", "index_options": options}));
    let kind = |kind: &str| json!({"type": kind, "m": 16, "ef_construction": 100});
    for (from, to, goes) in [
        ("flat", "int8_hnsw", true),
        ("int4_flat", "bbq_flat", true),
        ("bbq_flat", "bbq_hnsw", true),
        ("bbq_flat", "hnsw", false),
        ("hnsw", "int8_hnsw", true),
        ("int8_hnsw", "hnsw", false),
        ("bbq_hnsw", "bbq_disk", true),
        ("hnsw", "of_later", false),
    ] {
        let found = difference(&vector(json!({"type": to})), &vector(kind(from)));
        assert_eq!(found.impossible.is_empty(), goes, "{from} {to}");
        assert_eq!(found.body.is_some(), goes);
    }
    let links = |m: u32| vector(json!({"type": "hnsw", "m": m}));
    assert_eq!(difference(&links(32), &links(16)).impossible, []);
    assert_eq!(difference(&links(8), &links(16)).impossible.len(), 1);
}

#[test]
fn what_can_change_is_sent_though_something_else_can_not() {
    let live = json!({"properties": {
        "a": {"type": "keyword", "index": false}, "b": {"type": "long"},
    }});
    let desired = json!({"properties": {
        "a": {"type": "keyword", "index": true, "ignore_above": 9}, "b": {"type": "date"},
    }});
    let found = difference(&desired, &live);
    let body = json!({"properties": {"a": {"type": "keyword", "index": false, "ignore_above": 9}}});
    assert_eq!(found.body.map(Value::Object), Some(body));
    let paths: Vec<_> = found.impossible.iter().map(|it| &*it.path).collect();
    assert_eq!(paths, ["mappings.properties.a.index", "mappings.properties.b.type"]);
    assert_eq!(found.impossible[1].desired, Some(json!("date")));
    assert_eq!(found.impossible[1].live, Some(json!("long")));
}

#[test]
fn objects_and_leaves_do_not_become_each_other() {
    let type_path = ["mappings.properties.f.type"];
    let inner = json!({"properties": {"a": {"type": "long"}}});
    assert_eq!(impossible(&one(&inner), &one(&json!({"type": "keyword"}))), type_path);
    assert_eq!(impossible(&one(&json!({"type": "keyword"})), &one(&inner)), type_path);
    assert_eq!(impossible(&one(&inner), &one(&json!({"type": "nested"}))), type_path);
}

#[test]
fn the_top_of_mappings_is_compared() {
    let desired = json!({
        "dynamic": "strict", "date_detection": false, "numeric_detection": "true",
        "dynamic_date_formats": ["yyyy"],
        "dynamic_templates": [{"a": {"match": "x", "mapping": {"type": "keyword"}}}],
        "runtime": {"r": {"type": "long"}, "s": {"type": "date"}},
    });
    let live = json!({
        "dynamic_templates": [{"b": {"match": "x", "mapping": {"type": "keyword"}}}],
        "runtime": {"r": {"type": "keyword"}, "s": {"type": "date"}, "others": {"type": "ip"}},
    });
    let mut body = desired.clone();
    body["runtime"].as_object_mut().unwrap().remove("s");
    let found = difference(&desired, &live);
    assert_eq!(found.body.map(Value::Object), Some(body));
    assert!(found.additions.iter().any(|it| it.path == "mappings.runtime.r"));
    let desired = json!({
        "_source": {"enabled": false, "includes": ["a"]}, "_routing": {"required": true},
        "enabled": false, "subobjects": false,
    });
    let wanted = [
        "mappings._routing.required",
        "mappings._source.enabled",
        "mappings._source.includes",
        "mappings.enabled",
        "mappings.subobjects",
    ];
    assert_eq!(impossible(&desired, &json!({})), wanted);
}

#[test]
fn what_can_not_be_worked_with_is_said_with_its_path() {
    let check = |spec: Value, path: &str, message: &str| {
        refused(normalise(&map(&spec)), path, message);
    };
    check(json!({"_doc": {"properties": {}}}), "mappings._doc", "wrapped");
    check(json!({"tweet": {"properties": {}}}), "mappings.tweet", "wrapped");
    check(json!({"propertys": {}}), "mappings.propertys", "top");
    check(json!({"_all": {"enabled": false}}), "mappings._all", "top");
    check(json!({"_meta": {"drover": {}}}), "mappings._meta.drover", "owner");
    check(json!({"_meta": []}), "mappings._meta", "object");
    check(json!({"dynamic_templates": {}}), "mappings.dynamic_templates", "list");
    check(json!({"runtime": {"r": 1}}), "mappings.runtime.r", "object");
    check(json!({"properties": 1}), "mappings.properties", "object");
    check(json!({"properties": {"a": null}}), "mappings.properties.a", "object");
    check(json!({"properties": {"a": {"type": 1}}}), "mappings.properties.a.type", "text");
    check(json!({"properties": {"": {}}}), "mappings.properties.", "empty");
    check(json!({"properties": {"a..b": {}}}), "mappings.properties.a..b", "empty");
    let inner = json!({"properties": {"a": {"type": "text", "fields": {"b.c": {"type": "long"}}}}});
    check(inner, "mappings.properties.a.fields.b.c", "dot");
    let twice = json!({"properties": {
        "a.b": {"type": "long"}, "a": {"properties": {"b": {"type": "date"}}},
    }});
    check(twice, "mappings.properties.a.b", "another `type`");
    let leaf = json!({"properties": {"a": {"type": "text"}, "a.b": {"type": "long"}}});
    check(leaf, "mappings.properties.a.b", "fields below");
}

#[test]
fn a_field_may_be_declared_in_parts() {
    let spec = json!({"properties": {
        "a.b": {"type": "long"}, "a": {"type": "object", "dynamic": false}, "a.c.d": {"type": "ip"},
    }});
    let wanted = json!({"properties": {"a": {"type": "object", "dynamic": false, "properties": {
        "b": {"type": "long"}, "c": {"properties": {"d": {"type": "ip"}}},
    }}}});
    assert_eq!(normalise(&map(&spec)).map(Value::Object), Ok(wanted));
}

#[test]
fn objects_are_dissolved_where_there_are_no_objects_in_objects() {
    let leaf = || json!({"type": "long"});
    let spec = json!({"properties": {"m": {"subobjects": "false", "properties": {
        "a": {"properties": {"b": {"properties": {"c": leaf()}}, "d": leaf()}}, "e.f": leaf(),
    }}}});
    let wanted = json!({"properties": {"m": {"subobjects": "false", "properties": {
        "a.b.c": leaf(), "a.d": leaf(), "e.f": leaf(),
    }}}});
    assert_eq!(normalise(&map(&spec)).map(Value::Object), Ok(wanted));
}

#[test]
fn a_sub_field_without_a_type_is_left_for_elasticsearch_to_refuse() {
    let spec = json!({"properties": {"a": {"type": "text", "fields": {"b": {"norms": false}}}}});
    assert_eq!(normalise(&map(&spec)).map(Value::Object), Ok(spec));
}

#[test]
fn what_holds_where_nothing_is_said_is_no_difference() {
    let desired = json!({
        "dynamic": true, "date_detection": "true", "numeric_detection": false, "subobjects": true,
        "dynamic_templates": [], "_field_names": {"enabled": true}, "_source": {"excludes": []},
        "dynamic_date_formats":
            ["strict_date_optional_time", "yyyy/MM/dd HH:mm:ss Z||yyyy/MM/dd Z"],
    });
    assert_eq!(difference(&desired, &json!({})), MappingDifference::default());
}

#[test]
fn children_of_a_join_have_no_order() {
    let join = |children: Value| one(&json!({"type": "join", "relations": {"q": children}}));
    let found = difference(&join(json!(["b", "a"])), &join(json!(["a", "b"])));
    assert_eq!(found, MappingDifference::default());
}

#[test]
fn the_mark_goes_with_the_users_own_meta() {
    let live = map(&json!({"_meta": {"team": "old", "drover": {"uid": "1"}}}));
    let mark = json!({"namespace": "shop", "name": "logs", "uid": "42"});
    let check = |desired: Value, wanted: Value| {
        let merged = owner().merged_into(&map(&desired), &live);
        assert_eq!(Value::Object(merged), wanted);
    };
    check(json!({}), json!({"team": "old", "drover": mark}));
    check(json!({"_meta": {"team": "new"}}), json!({"team": "new", "drover": mark}));
    check(json!({"_meta": {}}), json!({"drover": mark}));
}

#[test]
fn the_mark_is_read_only_where_it_is_whole() {
    let mark = json!({"namespace": "shop", "name": "logs", "uid": "42"});
    assert_eq!(mark::read(&map(&json!({"_meta": {"drover": mark}}))), Some(owner()));
    for live in [
        json!({}),
        json!({"_meta": {}}),
        json!({"_meta": {"drover": "x"}}),
        json!({"_meta": {"drover": {"namespace": "shop", "name": "logs"}}}),
        json!({"_meta": {"drover": {"namespace": "shop", "name": 1, "uid": "42"}}}),
    ] {
        assert_eq!(mark::read(&map(&live)), None, "{live}");
    }
}

#[test]
fn the_users_meta_differs_by_what_is_not_the_mark() {
    let differs = |desired: Value, live: Value| {
        let found = mark::difference(&map(&desired), &map(&live));
        found.map(|it| (it.path, it.live))
    };
    let live = json!({"_meta": {"a": 1, "drover": {"uid": "42"}}});
    assert_eq!(differs(json!({"_meta": {"a": 1}}), live.clone()), None);
    assert_eq!(differs(json!({}), live.clone()), None);
    assert_eq!(differs(json!({"_meta": {}}), json!({})), None);
    let wanted = ("mappings._meta".to_owned(), Some(json!({"a": 1})));
    assert_eq!(differs(json!({"_meta": {"a": 2}}), live), Some(wanted));
}
