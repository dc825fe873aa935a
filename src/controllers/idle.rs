//! A controller that does nothing yet but hold and let go of its objects.

use std::{marker::PhantomData, sync::Arc};

use super::{Next, Reconciler};
use crate::{context::Context, error::Error, kubernetes::Kind};

/// Does nothing to objects of kind `K`.
pub struct Idle<K>(PhantomData<K>);

impl<K: Kind> Reconciler for Idle<K> {
    type Object = K;

    async fn reconcile(object: Arc<K>, _: Arc<Context>) -> Result<Next, Error> {
        let deleting = object.meta().deletion_timestamp.is_some();
        Ok(if deleting { Next::LetGo } else { Next::AwaitChange })
    }
}
