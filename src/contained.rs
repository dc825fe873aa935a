//! Tasks whose panic ends only themselves.
//!
//! Elsewhere a panic is a fault of Drover itself and ends the process. Not so in a library that
//! reads what a stranger sends: there it ends the connection, or one host could end the operator.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
    task::{self, AbortHandle, Id},
};

/// How many marks each task holds.
static TASKS: Mutex<BTreeMap<Id, usize>> = Mutex::new(BTreeMap::new());

/// A task panicked. The panic hook has logged where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Whether a panic of the current task ends only the task.
#[must_use]
pub fn is_current() -> bool {
    task::try_id().is_some_and(|it| tasks().contains_key(&it))
}

/// Runs `future` as a task of its own, which ends when the result is no longer waited for.
pub(crate) async fn run<F>(future: F) -> Result<F::Output, Panicked>
where
    F: Future<Output: Send> + Send + 'static,
{
    struct Abort(AbortHandle);
    impl Drop for Abort {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let task = tokio::spawn(async move {
        let _mark = Mark::current();
        future.await
    });
    let _abort = Abort(task.abort_handle());
    task.await.map_err(|_| Panicked)
}

/// Runs `work` on a thread that may be kept busy.
pub(crate) async fn run_blocking<F, T>(work: F) -> Result<T, Panicked>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let task = task::spawn_blocking(move || {
        let _mark = Mark::current();
        work()
    });
    task.await.map_err(|_| Panicked)
}

/// A stream that contains the task which reads or writes it, since a library may spawn one of its
/// own, and that can be cut, since such a task can't be aborted.
#[derive(Debug)]
pub(crate) struct Stream<S> {
    inner: S,
    mark: Option<Mark>,
    cut: Option<oneshot::Receiver<()>>,
}

/// Cuts a stream when dropped: from then on reading and writing fail, also where they hang.
#[derive(Debug)]
pub(crate) struct Cut {
    _sender: oneshot::Sender<()>,
}

impl<S> Stream<S> {
    pub(crate) fn new(inner: S) -> (Self, Cut) {
        let (sender, cut) = oneshot::channel();
        (Self { inner, mark: None, cut: Some(cut) }, Cut { _sender: sender })
    }

    /// To be called in each poll. Reading and writing are polled by one task, so that one waker is
    /// enough for both.
    fn enter(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.mark.as_ref().map(|it| it.0) != task::try_id() {
            self.mark = Mark::current();
        }
        if let Some(cut) = &mut self.cut
            && Pin::new(cut).poll(context).is_ready()
        {
            self.cut = None;
        }
        match self.cut {
            Some(_) => Ok(()),
            None => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "given up by Drover")),
        }
    }
}

/// Contains a task for as long as it lives.
#[derive(Debug)]
struct Mark(Id);

impl Mark {
    fn current() -> Option<Self> {
        let id = task::try_id()?;
        *tasks().entry(id).or_default() += 1;
        Some(Self(id))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut tasks = tasks();
        if let Some(count) = tasks.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                tasks.remove(&self.0);
            }
        }
    }
}

fn tasks() -> MutexGuard<'static, BTreeMap<Id, usize>> {
    TASKS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.enter(context)?;
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.enter(context)?;
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_contained_task_is_told_to_who_waits_for_it() {
        assert_eq!(run(async { 3 }).await, Ok(3));
        assert_eq!(run(async { is_current() }).await, Ok(true));
        assert_eq!(run_blocking(is_current).await, Ok(true));
        let panics: fn() -> u8 = || panic!("on purpose");
        assert_eq!(run(async move { panics() }).await, Err(Panicked));
        assert_eq!(run_blocking(panics).await, Err(Panicked));
        assert!(!is_current());
    }

    #[tokio::test]
    async fn a_task_is_contained_while_it_has_a_stream_that_it_used() {
        let (near, far) = duplex(64);
        let (mut near, _cut) = Stream::new(near);
        let (mut far, mut near) = tokio::spawn(async move {
            assert!(!is_current());
            near.write_all(b"a").await.unwrap();
            assert!(is_current());
            (far, near)
        })
        .await
        .unwrap();
        far.write_all(b"b").await.unwrap();
        tokio::spawn(async move {
            assert!(!is_current(), "it was another task that used it");
            near.read_u8().await.unwrap();
            assert!(is_current());
            drop(near);
            assert!(!is_current());
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_ended() {
        let (near, mut far) = duplex(64);
        let waits = run(async move {
            let _near = near;
            std::future::pending::<()>().await;
        });
        // Polled once, so that it runs, and then dropped.
        assert!(futures::FutureExt::now_or_never(waits).is_none());
        assert_eq!(far.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_stream_that_was_cut_fails_also_where_it_hung() {
        let (near, mut far) = duplex(64);
        let (mut near, cut) = Stream::new(near);
        let reading = tokio::spawn(async move { near.read_u8().await });
        let (other, mut far_of_other) = duplex(1);
        let (mut other, cut_other) = Stream::new(other);
        let writing = tokio::spawn(async move { other.write_all(&[1; 64]).await });
        assert_eq!(far_of_other.read_u8().await.unwrap(), 1);
        drop((cut, cut_other));
        let error = writing.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        let error = reading.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(far.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
}
