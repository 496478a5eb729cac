//! The file of a journal.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::group::{Actors, Group};
use super::{ALIGN, HALF, HEAD, Owner};

const TITLE: &[u8; 24] = b"kantele trace journal 1\n";

/// A journal that is written.
pub(crate) struct JournalFile {
    file: File,
    half: usize,
    /// Bytes of the half that are used.
    used: usize,
}

impl JournalFile {
    /// Makes an empty journal; what was there is gone.
    pub(crate) fn create(path: &Path, owner: &Owner) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        let made = Self::fill(&file, owner).and_then(|()| flush_folder(path));
        if let Err(error) = made {
            // So that a disk that is full is not kept full by an empty journal.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(Self { file, half: 0, used: 0 })
    }

    fn fill(file: &File, owner: &Owner) -> io::Result<()> {
        // Bytes, not a hole: a flush must find nothing to do but write, however full the disk is.
        // Page by page: what is written at once, Linux keeps together in memory, and then goes
        // through all of it at each of the small writes that follow.
        let zeros = [0; HEAD];
        for page in 0..=2 * HALF / HEAD {
            file.write_all_at(&zeros, (page * HEAD) as u64)?;
        }
        file.sync_all()?;
        let head: Vec<u8> = TITLE.iter().chain(&owner.mark).copied().collect();
        file.write_all_at(&head, 0)?;
        file.sync_all()
    }

    /// Whether the half that is being filled has room for a group.
    pub(crate) const fn has_room(&self, length: usize) -> bool {
        self.used + length <= HALF
    }

    /// The half that is being filled.
    pub(crate) const fn half(&self) -> usize {
        self.half
    }

    /// Goes on with the other half, whose groups are no longer needed.
    pub(crate) const fn turn(&mut self) {
        self.half = 1 - self.half;
        self.used = 0;
    }

    /// Writes a group for which there is room, and flushes. Where this fails, the next group takes
    /// the same place.
    pub(crate) fn append(&mut self, group: &[u8]) -> io::Result<()> {
        self.file.write_all_at(group, place(self.half, self.used))?;
        self.file.sync_data()?;
        self.used += group.len();
        Ok(())
    }
}

const fn place(half: usize, used: usize) -> u64 {
    (HEAD + half * HALF + used) as u64
}

/// Makes the entry of a file in its folder durable.
fn flush_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// What stands in a journal.
#[derive(Default)]
pub(crate) struct Content {
    /// By strand and number.
    pub(crate) groups: Vec<Group>,
    pub(crate) actors: Actors,
    /// It does not begin as a journal of this database does.
    pub(crate) is_strange: bool,
}

/// Reads a journal, which a server may be writing; none where there is none.
pub(crate) fn read(path: &Path, owner: &Owner) -> io::Result<Option<Content>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    // Which groups the halves begin with: others tell that a half was filled again meanwhile.
    let mut before = fronts(&file);
    loop {
        bytes.clear();
        io::Seek::rewind(&mut file)?;
        Read::by_ref(&mut file).take(place(2, 0)).read_to_end(&mut bytes)?;
        let after = fronts(&file);
        if before == after {
            return Ok(Some(Content::of(&bytes, owner)));
        }
        before = after;
    }
}

fn fronts(file: &File) -> [[u8; 16]; 2] {
    [0, 1].map(|half| {
        let mut front = [0; 16];
        // A file that is too short has nothing there.
        let _ = file.read_exact_at(&mut front, place(half, 0));
        front
    })
}

impl Content {
    fn of(bytes: &[u8], owner: &Owner) -> Self {
        let (head, halves) = bytes.split_at_checked(HEAD).unwrap_or((bytes, &[]));
        let mut found = Self::default();
        for half in halves.chunks(HALF) {
            let mut rest = half;
            while !rest.is_empty() {
                let taken = match Group::read(rest, owner) {
                    Some((group, taken)) => {
                        group.note_actors(&mut found.actors);
                        found.groups.push(group);
                        taken
                    }
                    None => ALIGN,
                };
                rest = rest.get(taken..).unwrap_or_default();
            }
        }
        found.groups.sort_by_key(|group| (group.strand, group.first));
        let title = head.strip_prefix(TITLE).and_then(|rest| rest.get(..owner.mark.len()));
        // A crash while it was made leaves zeros.
        let is_blank = found.groups.is_empty() && head.iter().all(|byte| *byte == 0);
        found.is_strange = title != Some(owner.mark.as_slice()) && !is_blank;
        found
    }
}
