//! Objects as a watch sends them: one that can't be decoded does not break the watch, and none is
//! made larger on its way than it has to be.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::value::RawValue;

/// An object, or why it is none.
///
/// It stands in for kube's `DeserializeGuard`, which makes two trees of each object before it
/// decodes it, with all of managedFields in them.
#[derive(Clone, Debug)]
pub struct Decoded<K>(pub Result<K, Undecodable>);

/// An object that can't be decoded.
#[derive(Clone, Debug)]
pub struct Undecodable {
    /// What is wrong with it.
    pub error: String,
    /// Its metadata, without managedFields.
    pub metadata: ObjectMeta,
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Decoded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Any {
            #[serde(default)]
            metadata: ObjectMeta,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let text = without_managed_fields(text.get());
        let error = match serde_json::from_str(&text) {
            Ok(object) => return Ok(Self(Ok(object))),
            Err(error) => error.to_string(),
        };
        let any: Any = serde_json::from_str(&text).map_err(D::Error::custom)?;
        Ok(Self(Err(Undecodable { error, metadata: any.metadata })))
    }
}

/// The text of an object with null for its managedFields, which nobody here reads and which are
/// often its larger part.
fn without_managed_fields(text: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow, rename = "managedFields")]
        managed_fields: Option<&'a RawValue>,
    }
    let found: Option<Object> = serde_json::from_str(text).ok();
    let Some(fields) = found.and_then(|it| it.metadata.managed_fields) else { return text.into() };
    // The part is a slice of the whole: where it begins is a difference of addresses.
    let begin = fields.get().as_ptr().addr() - text.as_ptr().addr();
    let end = begin + fields.get().len();
    format!("{}null{}", &text[..begin], &text[end..]).into()
}

impl<K: Resource> Resource for Decoded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(it: &K::DynamicType) -> Cow<'_, str> {
        K::kind(it)
    }

    fn group(it: &K::DynamicType) -> Cow<'_, str> {
        K::group(it)
    }

    fn version(it: &K::DynamicType) -> Cow<'_, str> {
        K::version(it)
    }

    fn plural(it: &K::DynamicType) -> Cow<'_, str> {
        K::plural(it)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|it| &it.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|it| &mut it.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use kube::{
        api::ObjectList,
        core::{TypeMeta, WatchEvent},
    };

    use super::*;
    use crate::api::index::Index;

    const GOOD: &str = r#"{"apiVersion":"drover.dev/v1alpha1","kind":"Index","metadata":{"name":"a",
        "managedFields":[{"manager":"kubectl","fieldsV1":{"f:spec":{"}":"]"}}}],"uid":"u"},
        "spec":{"clusterRef":{"name":"es"},"settings":{"b":[1,"2"]}}}"#;
    const BAD: &str = r#"{"metadata":{"name":"b","managedFields":[{}]},"spec":7}"#;

    fn check(good: &Decoded<Index>, bad: &Decoded<Index>) {
        let index = good.0.as_ref().unwrap();
        assert_eq!(index.metadata.uid.as_deref(), Some("u"));
        assert_eq!(index.metadata.managed_fields, None);
        assert_eq!(index.spec.settings.as_ref().unwrap().as_str(), r#"{"b":[1,"2"]}"#);
        let error = bad.0.as_ref().unwrap_err();
        assert_eq!(bad.meta().name.as_deref(), Some("b"));
        assert!(error.error.contains("invalid type: integer `7`"), "{}", error.error);
    }

    #[test]
    fn a_list_holds_what_can_be_decoded_and_what_can_not() {
        let text = format!(
            r#"{{"kind":"IndexList","apiVersion":"v1","metadata":{{}},"items":[{GOOD},{BAD}]}}"#
        );
        let list: ObjectList<Decoded<Index>> = serde_json::from_str(&text).unwrap();
        assert_eq!(list.types, TypeMeta { api_version: "v1".into(), kind: "IndexList".into() });
        check(&list.items[0], &list.items[1]);
    }

    #[test]
    fn an_event_of_a_watch_does_too() {
        let decode = |object: &str| {
            let text = format!(r#"{{"type":"MODIFIED","object":{object}}}"#);
            match serde_json::from_str(&text).unwrap() {
                WatchEvent::Modified(object) => object,
                other => panic!("{other:?}"),
            }
        };
        check(&decode(GOOD), &decode(BAD));
    }

    #[test]
    fn what_is_no_object_at_all_is_an_error() {
        assert!(serde_json::from_str::<Decoded<Index>>("[1]").is_err());
    }
}
