//! The end of a file whose writer may have been killed in the middle of a line.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::de::IgnoredAny;

const CHUNK_BYTES: u64 = 64 * 1024;

/// What to do about the bytes behind the last line feed.
#[derive(Debug, PartialEq, Eq)]
enum Tail {
    /// Half a line of ours, or the zeros that some file systems leave after a crash. It was never
    /// acknowledged, so its event comes again; to complete the line with a line feed would leave a
    /// line for ever that no reader can parse.
    Torn,
    /// A whole JSON value that lacks nothing but its line feed, or text that is none of our lines
    /// and that is not ours to remove.
    Unterminated,
}

/// Makes the file end with a whole line, or empty, and returns its length. `length` is the file's
/// present length; the caller holds the file's lock.
pub(super) fn repair(file: &File, path: &Path, length: u64) -> io::Result<u64> {
    let whole = length_of_whole_lines(file, length)?;
    if whole == length {
        return Ok(length);
    }
    match classify(file, whole, length)? {
        Tail::Torn => {
            tracing::warn!(
                path = %path.display(),
                bytes = length - whole,
                "removed the half line of a writer that was killed; its event comes again"
            );
            file.set_len(whole)?;
            Ok(whole)
        }
        Tail::Unterminated => {
            let mut end = file;
            end.write_all(b"\n")?;
            Ok(length + 1)
        }
    }
}

/// The length up to and including the last line feed; 0 if there is none.
fn length_of_whole_lines(file: &File, length: u64) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK_BYTES.min(length) as usize];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES);
        let bytes = &mut chunk[..(end - start) as usize];
        file.read_exact_at(bytes, start)?;
        if let Some(index) = bytes.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + index as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn classify(file: &File, start: u64, end: u64) -> io::Result<Tail> {
    let mut first = [0];
    file.read_exact_at(&mut first, start)?;
    Ok(match first[0] {
        0 => Tail::Torn,
        b'{' => {
            // Streamed, and nothing of it kept: a line may be as long as a record.
            let tail = BufReader::new(Section { file, start, end });
            match serde_json::from_reader::<_, IgnoredAny>(tail) {
                Ok(IgnoredAny) => Tail::Unterminated,
                Err(error) if error.is_io() => return Err(error.into()),
                Err(_) => Tail::Torn,
            }
        }
        _ => Tail::Unterminated,
    })
}

/// A part of a file, read by position: the handle's own position belongs to nobody.
struct Section<'a> {
    file: &'a File,
    start: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.end - self.start).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..wanted], self.start)?;
        self.start += read as u64;
        Ok(read)
    }
}
