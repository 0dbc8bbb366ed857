//! As little of Redis' protocol as the tests need.

use std::io::BufRead;

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Reply>),
    Error(String),
}

impl Reply {
    /// As text, of whatever kind; empty of none.
    pub fn text(&self) -> String {
        match self {
            Reply::Nil | Reply::List(_) => String::new(),
            Reply::Integer(number) => number.to_string(),
            Reply::Text(text) | Reply::Error(text) => text.clone(),
            Reply::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    pub fn list(&self) -> &[Reply] {
        match self {
            Reply::List(list) => list,
            _ => &[],
        }
    }
}

/// A command as it is sent.
pub fn packed(words: &[&[u8]]) -> Vec<u8> {
    let mut packed = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        packed.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        packed.extend_from_slice(word);
        packed.extend_from_slice(b"\r\n");
    }
    packed
}

pub fn read_reply(reader: &mut impl BufRead) -> std::io::Result<Reply> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.trim_end();
    let number = || line[1..].parse::<i64>().unwrap();
    Ok(match line.as_bytes().first() {
        Some(b'+') => Reply::Text(line[1..].to_owned()),
        Some(b'-') => Reply::Error(line[1..].to_owned()),
        Some(b':') => Reply::Integer(number()),
        Some(b'$') if number() < 0 => Reply::Nil,
        Some(b'$') => {
            let mut bytes = vec![0; number() as usize + 2];
            reader.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            Reply::Bytes(bytes)
        }
        Some(b'*') if number() < 0 => Reply::Nil,
        Some(b'*') => {
            let replies = (0..number()).map(|_| read_reply(reader));
            Reply::List(replies.collect::<Result<_, _>>()?)
        }
        _ => return Err(std::io::ErrorKind::UnexpectedEof.into()),
    })
}
