//! What stands in for an API server, and notes what it is asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request, with the number of its connection.
#[derive(Debug, Clone)]
pub struct Request {
    pub connection: usize,
    pub line: String,
    pub content_type: String,
    pub body: String,
}

/// Stands in for an API server, until the test ends: keeps connections, notes requests, and answers each with a status
/// and a body.
pub struct Api {
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Api {
    /// `answer` is told a request's path and how often that was asked for before.
    pub fn new(answer: impl Fn(&str, usize) -> (&'static str, &'static str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (noted, answer) = (Arc::clone(&seen), Arc::new(answer));
        let serve = move |connection: usize, stream: TcpStream| {
            let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                while let Some(request) = request(&mut stream, connection) {
                    let before = noted.lock().unwrap().iter().filter(|other| other.line == request.line).count();
                    let (status, body) = answer(request.line.split(' ').nth(1).unwrap(), before);
                    noted.lock().unwrap().push(request);
                    let length = body.len();
                    write!(stream.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
                }
            });
        };
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                serve(connection, stream.unwrap());
            }
        });
        Self { url, seen }
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// `hab-probe apply` to this server: its exit code, its lines, and what it complains of.
    pub fn apply(&self, program: &Path, within: &str, more: &[&str]) -> (Option<i32>, Vec<Value>, String) {
        let server = ["apply", "-within", within, "-every", "10ms", "-manager", "a b", "-server", &self.url];
        let output = Command::new(program).args([&server, more].concat()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let lines = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (output.status.code(), lines, String::from_utf8(output.stderr).unwrap())
    }
}

/// The next request of a connection, if there is one.
fn request(stream: &mut BufReader<TcpStream>, connection: usize) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).unwrap() == 0 {
            return None;
        }
    }
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let mut body = vec![0; header("Content-Length: ").parse().unwrap_or_default()];
    stream.read_exact(&mut body).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    Some(Request { connection, line, content_type: header("Content-Type: "), body: String::from_utf8(body).unwrap() })
}
