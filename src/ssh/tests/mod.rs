//! Sessions against a scripted server.

use std::sync::{Arc, Mutex};

use super::{
    pool::Pool,
    scripted::{Server, limits},
    session::{Meter, Session},
    target::{Limits, Target},
};
use crate::{chain::chain, gate::WriteGate};

mod commands;
mod connections;
mod facts;
mod pools;
mod trust;
mod uploads;

/// Writes down what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Meter for Notes {
    fn connection(&self, result: &'static str) {
        self.0.lock().unwrap().push(result.to_owned());
    }

    fn command(&self, what: &'static str, result: &'static str, _: f64) {
        self.0.lock().unwrap().push(format!("{what} {result}"));
    }
}

fn pool_with(limits: Limits) -> Pool {
    Pool::new(limits, WriteGate::always_open(), Arc::new(Notes::default()))
}

fn pool() -> Pool {
    pool_with(limits())
}

/// A session that works.
async fn session(server: &Server, user: &russh::keys::PrivateKey) -> Arc<Session> {
    connect(&server.target(user)).await.unwrap()
}

async fn connect(target: &Target) -> Result<Arc<Session>, super::error::Error> {
    pool().session("a", target).await
}
