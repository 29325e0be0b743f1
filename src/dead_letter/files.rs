//! The letters in a dead-letter file and in those that were put aside before it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::letter::{Letter, LetterPlace, Unreadable};

/// No line is read beyond this length: a record of Kafka's largest size in base64 is shorter.
const LONGEST_LINE_BYTES: u64 = 1 << 30;

/// Reads the letters that `failed_events.log` and its put-aside `.1`, `.2`, … held when it was opened,
/// the oldest first.
///
/// The pipeline may write and rotate meanwhile: all files are opened at once, and what is appended
/// later is not read.
pub struct LetterFiles {
    files: std::vec::IntoIter<OpenFile>,
    current: Option<OpenFile>,
    read_bytes: u64,
    total_bytes: u64,
}

struct OpenFile {
    path: Arc<PathBuf>,
    lines: Take<BufReader<File>>,
    line: u64,
}

impl LetterFiles {
    /// Opens the file and those put aside. A file that was put aside may be named by itself and is
    /// then the only one.
    ///
    /// # Errors
    /// If there is none, or one cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        // The current one first: if it is put aside in this moment, it is found again under its new
        // name and known by its inode, and nothing is missed.
        let newest = File::open(path);
        let mut paths = put_aside(path)?;
        let newest = match newest {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !paths.is_empty() => None,
            other => Some(other?),
        };
        let (mut opened, mut seen, mut total_bytes) = (Vec::new(), BTreeSet::new(), 0);
        let mut take = |path: PathBuf, file: File| -> io::Result<()> {
            let metadata = file.metadata()?;
            if seen.insert((metadata.dev(), metadata.ino())) {
                total_bytes += metadata.len();
                let lines = BufReader::new(file).take(metadata.len());
                opened.push(OpenFile { path: Arc::new(path), lines, line: 0 });
            }
            Ok(())
        };
        for (_, older) in std::mem::take(&mut paths) {
            let file = File::open(&older)?;
            take(older, file)?;
        }
        if let Some(file) = newest {
            take(path.to_owned(), file)?;
        }
        Ok(Self { files: opened.into_iter(), current: None, read_bytes: 0, total_bytes })
    }

    /// The next letter, or what stands where one should; `None` at the end.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn next_letter(&mut self) -> io::Result<Option<Result<Letter, Unreadable>>> {
        loop {
            if self.current.is_none() {
                self.current = self.files.next();
            }
            let Some(file) = &mut self.current else { return Ok(None) };
            let mut line = Vec::new();
            let read = file.lines.by_ref().take(LONGEST_LINE_BYTES).read_until(b'\n', &mut line);
            let read = read.map_err(|error| {
                io::Error::new(error.kind(), format!("{}:{}: {error}", file.path.display(), file.line + 1))
            })?;
            if read == 0 {
                self.current = None;
                continue;
            }
            self.read_bytes += read as u64;
            file.line += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let place = LetterPlace::Line(Arc::clone(&file.path), file.line);
            return Ok(Some(Letter::of_line(&line, place)));
        }
    }

    /// How many bytes were read, and how many there are.
    pub fn progress(&self) -> (u64, u64) {
        (self.read_bytes, self.total_bytes)
    }
}

/// The file that `path` is, or was put aside from: `failed_events.log.3` is `failed_events.log`.
pub fn base_of(path: &Path) -> PathBuf {
    let number = path.extension().and_then(|extension| extension.to_str());
    match number {
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => path.with_extension(""),
        _ => path.to_owned(),
    }
}

/// The files put aside, by their numbers: the lower, the older.
fn put_aside(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?.file_name();
        let number = entry.to_str().and_then(|entry| entry.strip_prefix(name)?.strip_prefix('.'));
        // `+1` and `01` parse as numbers too, but no such name is ours.
        let number = number.filter(|number| number.starts_with(|first| matches!(first, '1'..='9')));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            found.push((number, directory.join(&entry)));
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn line(offset: i64) -> String {
        format!(
            "{{\"event_type\":null,\"event\":null,\"meta\":null,\"pipeline\":\"p\",\"record\":{{\"topic\":\"t\",\"partition\":0,\"offset\":{offset},\"value\":\"AA==\",\"headers\":[]}}}}\n"
        )
    }

    fn read(files: &mut LetterFiles) -> Vec<Result<String, String>> {
        std::iter::from_fn(|| files.next_letter().unwrap())
            .map(|letter| letter.map(|letter| letter.lineage.id).map_err(|error| error.to_string()))
            .collect()
    }

    #[test]
    fn the_oldest_letters_come_first_and_a_broken_line_says_where_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("failed_events.log");
        fs::write(directory.path().join("failed_events.log.10"), line(3)).unwrap();
        fs::write(directory.path().join("failed_events.log.2"), line(1) + "\n{\"half\":\n" + &line(2))
            .unwrap();
        fs::write(directory.path().join("failed_events.log.replayed"), "not a letter").unwrap();
        fs::write(&path, line(4) + "{\"event\":").unwrap();
        let mut files = LetterFiles::open(&path).unwrap();
        let read = read(&mut files);
        let ids: Vec<_> = read.iter().filter_map(|letter| letter.as_ref().ok()).collect();
        assert_eq!(ids, ["p/t/0/1", "p/t/0/2", "p/t/0/3", "p/t/0/4"]);
        let broken: Vec<_> = read.iter().filter_map(|letter| letter.as_ref().err()).collect();
        assert_eq!(broken.len(), 2);
        assert!(broken[0].contains("failed_events.log.2:3: is no dead letter"), "{}", broken[0]);
        assert!(broken[1].contains("failed_events.log:2: "), "{}", broken[1]);
        let (bytes, total) = files.progress();
        assert_eq!(bytes, total);
    }

    #[test]
    fn what_is_appended_or_put_aside_after_the_opening_is_neither_read_nor_missed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("failed_events.log");
        fs::write(&path, line(1)).unwrap();
        let mut files = LetterFiles::open(&path).unwrap();
        let mut writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
        io::Write::write_all(&mut writer, line(2).as_bytes()).unwrap();
        fs::rename(&path, directory.path().join("failed_events.log.1")).unwrap();
        fs::write(&path, line(3)).unwrap();
        assert_eq!(read(&mut files), [Ok("p/t/0/1".to_owned())]);
    }

    #[test]
    fn a_file_put_aside_belongs_to_the_one_it_was() {
        assert_eq!(base_of(Path::new("a/failed_events.log.12")), Path::new("a/failed_events.log"));
        assert_eq!(base_of(Path::new("a/failed_events.log")), Path::new("a/failed_events.log"));
    }
}
