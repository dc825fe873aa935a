//! Files come over whole or not at all. The scripted server runs them on a real shell.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

use super::{super::scripted::*, *};
use crate::ssh::{
    error::Error,
    path::RemotePath,
    upload::{Upload, Uploaded},
};

/// A folder of this test's own, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("drover-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The owner that files of this process have.
fn owner() -> &'static str {
    let output = std::process::Command::new("sh").args(["-c", "id -un; id -gn"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().replace('\n', ":").leak()
}

fn upload(path: &std::path::Path, content: &[u8]) -> Upload {
    Upload {
        what: "write",
        path: RemotePath::new(path.to_str().unwrap()).unwrap(),
        content: content.to_vec().into(),
        mode: 0o640,
        owner: owner(),
        sudo: false,
    }
}

#[tokio::test]
async fn a_file_is_written_once_with_its_mode_and_its_owner() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let session = session(&server, &user).await;
    let folder = Folder::new("written");
    let path = folder.0.join("a file; touch canary");
    let upload = upload(&path, b"s3cret\0\xff'\n");
    assert_eq!(session.upload(&upload).await, Ok(Uploaded::Written));
    assert_eq!(fs::read(&path).unwrap(), b"s3cret\0\xff'\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(session.upload(&upload).await, Ok(Uploaded::Same));
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    let wider = Upload { mode: 0o644, ..upload.clone() };
    assert_eq!(session.upload(&wider).await, Ok(Uploaded::Written));
    assert_eq!(session.upload(&upload).await, Ok(Uploaded::Written));
    assert_eq!(folder.names(), ["a file; touch canary"]);
    assert!(server.lines().iter().all(|it| !it.contains("s3cret")), "it shows to all on the host");
}

#[tokio::test]
async fn a_link_is_replaced_and_not_followed() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let session = session(&server, &user).await;
    let folder = Folder::new("link");
    let (path, elsewhere) = (folder.0.join("link"), folder.0.join("elsewhere"));
    fs::write(&elsewhere, "precious").unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert_eq!(session.upload(&upload(&path, b"new")).await, Ok(Uploaded::Written));
    assert_eq!(fs::read(&elsewhere).unwrap(), b"precious");
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[tokio::test]
async fn what_can_not_be_written_leaves_what_was_there() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let session = session(&server, &user).await;
    let folder = Folder::new("failed");
    let path = folder.0.join("file");
    fs::write(&path, "before").unwrap();
    let nobody = Upload { owner: "no-such-user:no-such-group", ..upload(&path, b"after") };
    let error = session.upload(&nobody).await.unwrap_err();
    assert!(chain(&error).contains("no-such-user"), "{}", chain(&error));
    assert_eq!(fs::read(&path).unwrap(), b"before");
    assert_eq!(folder.names(), ["file"]);
    let directory = session.upload(&upload(&folder.0, b"after")).await.unwrap_err();
    assert!(chain(&directory).ends_with("is a directory"), "{}", chain(&directory));
    let missing = folder.0.join("no/file");
    assert!(matches!(session.upload(&upload(&missing, b"")).await, Err(Error::Failed { .. })));
}
