//! Questions to a peer's own server on the loopback.

use crate::household::Failure;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

/// Asks something; returns the body of the answer.
pub(super) fn ask(port: u16, method: &str, path: &str, header: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(super::LIMIT))?;
    // The older version of HTTP, so that the answer comes in one piece.
    let lines = "Host: 127.0.0.1\r\nContent-Length: 0";
    write!(stream, "{method} {path} HTTP/1.0\r\n{lines}\r\n{header}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(body_in(&text)?.to_owned())
}

/// Returns the body of a good answer.
fn body_in(text: &str) -> Result<&str, Failure> {
    let (head, body) = text.split_once("\r\n\r\n").ok_or("the answer has no body")?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("the answer was: {status}").into());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_body_and_a_refusal_is_said() {
        let head = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n";
        assert_eq!(body_in(&format!("{head}one\r\n\r\ntwo")).unwrap(), "one\r\n\r\ntwo");
        assert_eq!(body_in(head).unwrap(), "");
        let refused = body_in("HTTP/1.0 403 Forbidden\r\n\r\nCSRF Error\n").unwrap_err();
        assert_eq!(refused.to_string(), "the answer was: HTTP/1.0 403 Forbidden");
        assert!(body_in("HTTP/1.0 200 OK").is_err());
        assert!(body_in("").is_err());
    }
}
