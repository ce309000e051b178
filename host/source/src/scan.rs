//! What is in a folder now.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::framing::Layout;
use crate::names::{SegmentName, encode_name, is_private, natural_order, segment_name};
use crate::warnings::Warnings;
use crate::{SourceError, SourceWarning};

/// Device and inode: what stays when a file is renamed.
pub(crate) type FileKey = (u64, u64);

/// A segment that is there.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Encoded file name.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) key: FileKey,
    /// Bytes on disk.
    pub(crate) size: u64,
    pub(crate) modified: Option<SystemTime>,
    pub(crate) segment: SegmentName,
}

/// The segments of a folder in natural order. A folder that is gone has none.
pub(crate) fn scan_segments(
    folder: &Path,
    canonical_root: &Path,
    is_root: bool,
    layout: Layout,
    warnings: &mut Warnings,
) -> Result<Vec<Found>, SourceError> {
    let failed = |error| SourceError::Io {
        action: "list",
        path: folder.to_owned(),
        error,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = encode_name(&entry.file_name());
        if is_private(&name) {
            continue;
        }
        match inspect(&entry.path(), &name, canonical_root, is_root, layout) {
            Ok(Some(segment)) => found.push(segment),
            Ok(None) => {}
            Err(warning) => warnings.tell(warning),
        }
    }
    found.sort_by(|a, b| natural_order(&a.name, &b.name));
    // A link to a segment beside it is the same segment.
    let mut keys = HashSet::new();
    found.retain(|segment| keys.insert(segment.key));
    Ok(found)
}

fn inspect(
    path: &Path,
    name: &str,
    canonical_root: &Path,
    is_root: bool,
    layout: Layout,
) -> Result<Option<Found>, SourceWarning> {
    let unreadable = |error: io::Error| SourceWarning::Unreadable {
        name: name.to_owned(),
        reason: error.kind().to_string(),
    };
    let ignored = |reason| {
        Err(SourceWarning::Ignored {
            name: name.to_owned(),
            reason,
        })
    };
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;

    let mut metadata = match fs::symlink_metadata(path) {
        Err(error) if gone(&error) => return Ok(None),
        other => other.map_err(unreadable)?,
    };
    let segment = segment_name(name, layout.extensions);
    if metadata.is_symlink() {
        if !links_inside(path, canonical_root) {
            return ignored("a link that leads out of the source folder, or nowhere");
        }
        metadata = fs::metadata(path).map_err(unreadable)?;
    }
    match segment {
        Some(_) if metadata.is_dir() => ignored("a folder with the name of a segment"),
        // In the root, folders are partitions.
        None if metadata.is_dir() && is_root => Ok(None),
        None if metadata.is_dir() => ignored("a folder within a partition"),
        _ if !metadata.is_file() => ignored("neither a file nor a folder"),
        None => ignored(layout.misnamed),
        Some(segment) => Ok(Some(Found {
            name: name.to_owned(),
            path: path.to_owned(),
            key: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            modified: metadata.modified().ok(),
            segment,
        })),
    }
}

fn links_inside(path: &Path, canonical_root: &Path) -> bool {
    fs::canonicalize(path).is_ok_and(|target| target.starts_with(canonical_root))
}

/// The partitions of a root: its folders, and [`crate::ROOT_PARTITION`] when there are segments directly in it.
pub(crate) fn scan_partitions(
    root: &Path,
    canonical_root: &Path,
    layout: Layout,
) -> Result<(Vec<String>, bool), SourceError> {
    let failed = |error| SourceError::Io {
        action: "list",
        path: root.to_owned(),
        error,
    };
    let (mut folders, mut has_segments) = (Vec::new(), false);
    for entry in fs::read_dir(root).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = encode_name(&entry.file_name());
        let path = entry.path();
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        let is_segment = segment_name(&name, layout.extensions).is_some();
        if is_private(&name) || !links_inside(&path, canonical_root) {
            continue;
        }
        if metadata.is_dir() && !is_segment {
            folders.push(name);
        }
        has_segments |= metadata.is_file() && is_segment;
    }
    folders.sort_by(|a, b| natural_order(a, b));
    Ok((folders, has_segments))
}
