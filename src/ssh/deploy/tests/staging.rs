use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use super::stand::{BUILD, Stand, machine_path};

const STAGE: &str = include_str!("../stage.sh");

/// How a server answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Whole,
    /// Goes on in the middle where asked, and breaks off after so many bytes the first time.
    CutOnce(usize),
    /// Always from the beginning; breaks off after so many bytes the first time.
    NoRanges(usize),
    Missing,
}

/// An HTTP server with one file; it ends when dropped.
struct Server {
    address: SocketAddr,
    /// The heads of requests.
    heads: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn new(bytes: Vec<u8>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::new(AtomicBool::new(false));
        let (seen, over) = (Arc::clone(&heads), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                // A client may go away in the middle.
                let _ = answer(&stream.unwrap(), &bytes, manner, &seen);
            }
        });
        Self { address, heads, ends, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}/es.tar.gz", self.address)
    }

    fn count(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        let _ = self.thread.take().unwrap().join();
    }
}

fn answer(
    mut stream: &TcpStream,
    bytes: &[u8],
    manner: Manner,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while reader.read_line(&mut head)? > 2 {}
    let range = begin_of(&head);
    let is_first = is_first(seen, head);
    let (status, from) = match (manner, range) {
        (Manner::Missing, _) => {
            return stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
        (Manner::NoRanges(_), _) | (_, None) => ("200 OK", 0),
        (_, Some(from)) if bytes.len() <= from => {
            return stream.write_all(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        (_, Some(from)) => ("206 Partial Content", from),
    };
    let body = &bytes[from..];
    let mut head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    if from != 0 {
        let (last, all) = (bytes.len() - 1, bytes.len());
        // Writing to a String can't fail.
        let _ = write!(head, "Content-Range: bytes {from}-{last}/{all}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    match manner {
        Manner::CutOnce(after) | Manner::NoRanges(after) if is_first => {
            stream.write_all(&body[..after])
        }
        _ => stream.write_all(body),
    }
}

/// Where the range begins that is asked for.
fn begin_of(head: &str) -> Option<usize> {
    head.lines().find_map(|it| {
        let (name, value) = it.split_once(": ")?;
        let from = value.strip_prefix("bytes=")?.strip_suffix('-')?;
        if name.eq_ignore_ascii_case("range") { from.parse().ok() } else { None }
    })
}

fn is_first(seen: &Mutex<Vec<String>>, head: String) -> bool {
    let mut seen = seen.lock().unwrap();
    seen.push(head);
    seen.len() == 1
}

/// Runs the script as the unit would.
fn stage(stand: &Stand, url: &str, digest: &str, java: &str, most: u64) -> Result<String, String> {
    stage_in(stand, url, digest, java, most, &machine_path())
}

fn stage_in(
    stand: &Stand,
    url: &str,
    digest: &str,
    java: &str,
    most: u64,
    path: &str,
) -> Result<String, String> {
    let (trees, logs) = (stand.path("trees"), stand.path("logs"));
    let lines =
        [url, digest, "8.19.0", &trees, &logs, "elasticsearch", java, &most.to_string(), "do this"];
    let settings = stand.write("settings", &(lines.join("\n") + "\n"));
    stand.run_in(STAGE, &[&settings], path)
}

fn archive(stand: &Stand) -> (Vec<u8>, String) {
    stand.distribution("source/elasticsearch-8.19.0", BUILD);
    stand.archive("source/elasticsearch-8.19.0")
}

/// What is below the folder of versions.
fn left(stand: &Stand) -> BTreeSet<String> {
    let entries = fs::read_dir(stand.0.join("trees")).unwrap();
    entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_version_is_fetched_checked_unpacked_and_tried_and_a_second_time_nothing_is_fetched() {
    let stand = Stand::new();
    let (bytes, digest) = archive(&stand);
    let server = Server::new(bytes, Manner::Whole);
    let run = || stage(&stand, &server.url(), &digest, "", 1_000_000);
    assert_eq!(run(), Ok("staged".into()));
    assert_eq!(left(&stand), BTreeSet::from(["8.19.0".into()]));
    assert_eq!(stand.read("trees/8.19.0/.drover").lines().nth(1), Some(BUILD));
    // What runs there writes its logs where it may.
    let logs = fs::read_link(stand.0.join("trees/8.19.0/logs")).unwrap();
    assert_eq!(logs, stand.0.join("logs"));
    assert!(stand.has("trees/8.19.0/lib/es.jar"));
    assert_eq!((run(), server.count()), (Ok("staged".into()), 1));
}

#[test]
fn a_fetch_that_was_cut_short_goes_on_where_it_was() {
    let stand = Stand::new();
    let (bytes, digest) = archive(&stand);
    let half = bytes.len() / 2;
    let server = Server::new(bytes, Manner::CutOnce(half));
    assert_eq!(stage(&stand, &server.url(), &digest, "", 1_000_000), Ok("staged".into()));
    let heads = server.heads.lock().unwrap();
    assert_eq!(heads.len(), 2);
    assert!(heads[1].contains(&format!("bytes={half}-")), "{}", heads[1]);
}

#[test]
fn a_server_that_always_begins_anew_serves_too() {
    let stand = Stand::new();
    let (bytes, digest) = archive(&stand);
    let half = bytes.len() / 2;
    let server = Server::new(bytes, Manner::NoRanges(half));
    assert_eq!(stage(&stand, &server.url(), &digest, "", 1_000_000), Ok("staged".into()));
}

#[test]
fn what_is_left_of_another_archive_is_thrown_away() {
    let stand = Stand::new();
    let (bytes, digest) = archive(&stand);
    for old in [b"something else".to_vec(), vec![7; 10_000_000]] {
        let _ = fs::remove_dir_all(stand.0.join("trees/8.19.0"));
        fs::write(stand.0.join("trees/8.19.0.tar.gz.part"), old).unwrap();
        let server = Server::new(bytes.clone(), Manner::Whole);
        assert_eq!(stage(&stand, &server.url(), &digest, "", 1_000_000), Ok("staged".into()));
    }
}

#[test]
fn wget_does_where_there_is_no_curl_and_without_both_it_is_said_what_to_install() {
    let stand = Stand::new();
    let (bytes, digest) = archive(&stand);
    let half = bytes.len() / 2;
    let server = Server::new(bytes, Manner::CutOnce(half));
    let tools = "sh awk cat chmod cut df dirname env grep gzip ln mkdir mktemp mv rm sed sha512sum \
                 sleep sync tail tar timeout tr wc wget";
    let few = stand.path("few");
    fs::create_dir(&few).unwrap();
    for tool in tools.split_whitespace() {
        let found = ["/usr/bin", "/bin"].iter().map(|it| format!("{it}/{tool}"));
        let found = found.into_iter().find(|it| fs::exists(it).unwrap());
        let found = found.unwrap_or_else(|| panic!("this machine has no {tool}"));
        std::os::unix::fs::symlink(found, format!("{few}/{tool}")).unwrap();
    }
    let run = || stage_in(&stand, &server.url(), &digest, "", 1_000_000, &few);
    assert_eq!(run(), Ok("staged".into()));
    assert!(server.heads.lock().unwrap().iter().all(|it| it.contains("Wget")));
    fs::remove_dir_all(stand.0.join("trees/8.19.0")).unwrap();
    fs::remove_file(format!("{few}/wget")).unwrap();
    assert_eq!(run(), Err("neither curl nor wget is installed: do this".into()));
}

#[test]
fn another_archive_than_the_one_that_was_named_is_never_unpacked() {
    let stand = Stand::new();
    let (mut bytes, digest) = archive(&stand);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let server = Server::new(bytes, Manner::Whole);
    let refused = stage(&stand, &server.url(), &digest, "", 1_000_000).unwrap_err();
    assert!(refused.contains("its SHA-512 is not the given one"), "{refused}");
    assert_eq!((left(&stand).len(), server.count()), (0, 1));
}

#[test]
fn what_can_not_be_fetched_is_told_with_the_words_of_who_tried() {
    let stand = Stand::new();
    let digest = "0".repeat(128);
    let server = Server::new(Vec::new(), Manner::Missing);
    let refused = stage(&stand, &server.url(), &digest, "", 1_000_000).unwrap_err();
    assert!(refused.contains("can't be fetched") && refused.contains("404"), "{refused}");
    assert_eq!((left(&stand).len(), server.count()), (0, 4), "tries are bounded");
}

#[test]
fn an_archive_is_no_larger_than_it_may_be() {
    let stand = Stand::new();
    let bytes = vec![1; 3_000_000];
    let digest = super::stand::sha512(&bytes);
    let server = Server::new(bytes, Manner::Whole);
    let refused = stage(&stand, &server.url(), &digest, "", 1000).unwrap_err();
    assert_eq!(refused, "the archive is larger than 1000 kilobytes");
    assert!(left(&stand).is_empty());
}

#[test]
fn a_full_disk_is_told_and_nothing_of_the_archive_is_left_on_it() {
    let stand = Stand::new();
    let (bytes, digest) = archive(&stand);
    let server = Server::new(bytes, Manner::CutOnce(10));
    stand.program("bin/df", "#!/bin/sh\nprintf 'head\\n/dev/x 100 99 100 99%% /\\n'\n");
    let refused = stage(&stand, &server.url(), &digest, "", 1_000_000).unwrap_err();
    assert!(refused.contains("is full") && refused.contains("removed"), "{refused}");
    assert!(left(&stand).is_empty());
    fs::remove_file(stand.0.join("bin/df")).unwrap();
    assert_eq!(stage(&stand, &server.url(), &digest, "", 1_000_000), Ok("staged".into()));
}

#[test]
fn an_archive_for_which_there_is_too_little_room_is_not_fetched() {
    let stand = Stand::new();
    let bytes = vec![1; 3_000_000];
    let digest = super::stand::sha512(&bytes);
    let server = Server::new(bytes, Manner::Whole);
    stand.program("bin/df", "#!/bin/sh\nprintf 'head\\n/dev/x 9000 1000 8000 1%% /\\n'\n");
    let refused = stage(&stand, &server.url(), &digest, "", 1_000_000).unwrap_err();
    assert!(refused.contains("has 7 MB left, and the archive takes three times"), "{refused}");
    assert_eq!((left(&stand).len(), server.count()), (0, 1));
    // What is left of it may be of another one.
    fs::write(stand.0.join("trees/8.19.0.tar.gz.part"), vec![7; 5_000_000]).unwrap();
    let refused = stage(&stand, &server.url(), &digest, "", 1_000_000).unwrap_err();
    assert!(refused.contains("has 7 MB left, and the archive takes more"), "{refused}");
    assert_eq!((left(&stand).len(), server.count()), (0, 1));
}

#[test]
fn an_archive_that_can_not_be_unpacked_yet_is_not_fetched_once_more() {
    let stand = Stand::new();
    let (bytes, digest) = archive(&stand);
    let server = Server::new(bytes, Manner::Whole);
    let df = "#!/bin/sh\nleft=90000\n[ ! -e trees/8.19.0.tar.gz.part ] || left=3000\n\
              printf 'head\\n/dev/x 9 9 %s 1%% /\\n' $left\n";
    stand.program("bin/df", df);
    let refused = stage(&stand, &server.url(), &digest, "", 1_000_000).unwrap_err();
    assert!(refused.contains("has 2 MB left, and to unpack the archive takes 4 MB"), "{refused}");
    assert_eq!(left(&stand), BTreeSet::from(["8.19.0.tar.gz.part".into()]));
    fs::remove_file(stand.0.join("bin/df")).unwrap();
    assert_eq!(stage(&stand, &server.url(), &digest, "", 1_000_000), Ok("staged".into()));
    assert_eq!(server.count(), 1);
}

#[test]
fn what_does_not_run_here_or_is_no_such_version_is_not_taken() {
    let stand = Stand::new();
    let check = |change: &dyn Fn(), java: &str, words: &str| {
        let _ = fs::remove_dir_all(stand.0.join("source"));
        stand.distribution("source/es", BUILD);
        change();
        let (bytes, digest) = stand.archive("source/es");
        let server = Server::new(bytes, Manner::Whole);
        let refused = stage(&stand, &server.url(), &digest, java, 1_000_000).unwrap_err();
        assert!(refused.contains(words), "{refused}");
        assert!(!stand.has("trees/8.19.0"), "{words}");
    };
    let other = BUILD.replace("8.19.0", "8.18.0");
    check(&|| stand.distribution("source/es", &other), "", "not of version 8.19.0");
    check(&|| fs::remove_dir_all(stand.0.join("source/es/lib")).unwrap(), "", "no Elasticsearch");
    check(
        &|| fs::remove_dir_all(stand.0.join("source/es/jdk")).unwrap(),
        "",
        "name it in javaHome",
    );
    check(&|| {}, "/nowhere", "no Java in /nowhere");
    let broken = "#!/bin/sh\necho 'UnsupportedClassVersionError' >&2\nexit 1\n";
    let put = || stand.program("source/es/bin/elasticsearch", broken);
    check(&put, "", "does not run here: UnsupportedClassVersionError");
}

#[test]
fn a_folder_that_somebody_else_made_is_left_alone() {
    let stand = Stand::new();
    stand.write("trees/8.19.0/theirs", "x");
    let refused = stage(&stand, "http://127.0.0.1:9/x", "", "", 1000).unwrap_err();
    assert!(refused.contains("Drover did not make it"), "{refused}");
    assert!(stand.has("trees/8.19.0/theirs"));
}
