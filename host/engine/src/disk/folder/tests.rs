//! What happens to files of the program's own, and to those of others beside them.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const OURS: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "00112233445566778899aabbccddeeff";

fn open(root: &Path, name: &str) -> Result<(Folder, Contents), FolderError> {
    Folder::open(root, Fingerprint::made_up(name))
}

fn header(fingerprint: &str) -> (Header, SavedSequence) {
    let saved = SavedSequence::made_up(vec![7; 40], 3, true);
    let header = Header {
        fingerprint: fingerprint.to_owned(),
        owner: "ann".to_owned(),
        is_lasting: true,
        tokens: vec![1, 2, 3],
        exact: 0,
        form: saved.form(),
        bytes: saved.size(),
    };
    (header, saved)
}

/// Writes a state as the engine does.
fn write(root: &Path, name: &str) -> PathBuf {
    let (mut folder, _) = open(root, name).unwrap();
    let (header, saved) = header(name);
    let id = folder.next_id();
    let files = folder.files();
    files.write(id, &header, saved.bytes()).unwrap();
    files.path(id, WHOLE)
}

/// Everything below a folder: kind, mode, time and content of each.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut tree = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let kind = about.file_type();
            let content = match () {
                () if kind.is_file() => format!("{:?}", fs::read(&path).unwrap()),
                () if kind.is_symlink() => format!("{:?}", fs::read_link(&path).unwrap()),
                () => String::new(),
            };
            let modified = about.modified().unwrap();
            let mode = about.permissions().mode();
            // A folder's time changes with each file in it.
            let modified = (!kind.is_dir()).then_some(modified);
            tree.insert(path.clone(), format!("{mode:o} {modified:?} {content}"));
            if kind.is_dir() {
                left.push(path);
            }
        }
    }
    tree
}

/// Puts something of another program at a path.
fn put(path: &Path, kind: u8) {
    if fs::create_dir_all(path.parent().unwrap()).is_err() || fs::symlink_metadata(path).is_ok() {
        return;
    }
    let done = match kind % 8 {
        0 => fs::write(path, "4711"),
        1 => fs::write(path, ""),
        2 => fs::write(path, "MYNAH is a bird"),
        3 => symlink(path.with_extension("precious"), path),
        4 => fs::create_dir(path),
        5 => UnixListener::bind(path).map(drop),
        6 => symlink("none", path),
        _ => {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            let fifo = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, path, fifo, mode, 0).map_err(Into::into)
        }
    };
    done.unwrap();
}

/// Case D1.
#[test]
fn files_of_other_programs_stay_whatever_their_names_are() {
    let root = tempfile::tempdir().unwrap();
    let app = root.path().join("app");
    fs::create_dir(&app).unwrap();
    fs::write(app.join("lock"), "4711\n").unwrap();
    fs::write(app.join("a.state"), vec![0; 200_000]).unwrap();
    fs::write(app.join("b.partial"), vec![0; 200_000]).unwrap();
    let before = tree(&app);
    let (mut folder, _) = open(root.path(), OURS).unwrap();
    assert_eq!(folder.bytes_of_others(), 0);
    assert!(!folder.remove_other());
    assert_eq!(tree(&app), before);
}

#[test]
fn states_of_other_models_are_found_and_removed_also_those_of_earlier_versions() {
    let root = tempfile::tempdir().unwrap();
    let state = write(root.path(), OTHER);
    // Version 0.1.0 left its lock file empty.
    fs::write(root.path().join(OTHER).join(LOCK), "").unwrap();
    let (mut folder, _) = open(root.path(), OURS).unwrap();
    assert_eq!(
        folder.bytes_of_others(),
        fs::metadata(&state).unwrap().len()
    );
    assert!(folder.remove_other());
    assert!(!state.exists());
}

#[test]
fn an_empty_lock_file_marks_no_folder_of_another_name() {
    let root = tempfile::tempdir().unwrap();
    let state = write(root.path(), OTHER);
    let app = root.path().join("app");
    fs::create_dir(&app).unwrap();
    fs::copy(&state, app.join(state.file_name().unwrap())).unwrap();
    fs::write(app.join(LOCK), "").unwrap();
    let before = tree(&app);
    let (folder, _) = open(root.path(), OURS).unwrap();
    assert_eq!(
        folder.bytes_of_others(),
        fs::metadata(&state).unwrap().len()
    );
    assert_eq!(tree(&app), before);
}

/// Case S3.
#[test]
fn a_pipe_among_the_states_is_damage_and_nothing_waits_for_it() {
    let root = tempfile::tempdir().unwrap();
    let state = write(root.path(), OURS);
    fs::remove_file(&state).unwrap();
    put(&state, 7);
    let (mut folder, contents) = open(root.path(), OURS).unwrap();
    assert_eq!((contents.found.len(), contents.damaged), (0, 1));
    assert!(fs::symlink_metadata(&state).unwrap().file_type().is_fifo());
    // A new state gets another name.
    let (header, saved) = header(OURS);
    let id = folder.next_id();
    folder.files().write(id, &header, saved.bytes()).unwrap();
    assert_ne!(folder.files().path(id, WHOLE), state);
    // Also when the file turns into something else while it is known.
    let path = folder.files().path(id, WHOLE);
    fs::remove_file(&path).unwrap();
    put(&path, 7);
    assert!(folder.files().read(id).is_err());
    folder.files().remove(id);
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
}

#[test]
fn a_lock_file_that_is_not_ours_keeps_its_folder_from_being_used() {
    for kind in [0, 2, 3, 4, 5, 6, 7] {
        let root = tempfile::tempdir().unwrap();
        put(&root.path().join(OURS).join(LOCK), kind);
        fs::set_permissions(root.path().join(OURS), fs::Permissions::from_mode(0o700)).unwrap();
        let before = tree(root.path());
        let error = open(root.path(), OURS).unwrap_err();
        assert!(error.to_string().contains(LOCK), "{error}");
        assert_eq!(tree(root.path()), before);
    }
}

#[test]
fn a_folder_that_is_a_link_or_open_to_others_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let target: TempDir = tempfile::tempdir().unwrap();
    symlink(target.path(), root.path().join(OURS)).unwrap();
    let link = root.path().join("link");
    symlink(target.path(), &link).unwrap();
    for root in [root.path(), &link] {
        let error = open(root, OURS).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
    let open_to_all = root.path().join("open");
    fs::create_dir(&open_to_all).unwrap();
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o777)).unwrap();
    let error = open(&open_to_all, OURS).unwrap_err();
    assert!(error.to_string().contains("chmod go-w"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever other programs have put into the state folder is the same afterwards: content,
    /// permissions, time.
    #[test]
    fn nothing_of_others_changes(
        foreign in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "", "app", "01234567", OTHER, OURS,
                    "ffffffffffffffffffffffffffffffff",
                ]),
                prop::sample::select(vec![
                    "lock", "a.state", "0000000000000001.state", "00000000000000ff.partial",
                    "0000000000000000.partial", "1.state", "notes.txt", "x.partial",
                    "0000000000000001.state.old",
                ]),
                any::<u8>(),
            ),
            1..12,
        ),
        removes in 0usize..6,
    ) {
        let root = tempfile::tempdir().unwrap();
        let ours = [write(root.path(), OURS), write(root.path(), OTHER)];
        for (folder, name, kind) in &foreign {
            put(&root.path().join(folder).join(name), *kind);
        }
        let is_ours = |path: &Path| {
            ours.iter().any(|state| state == path || state.with_file_name(LOCK) == path)
        };
        // An empty file with such a name is what a killed process leaves, if the folder is ours.
        let is_left = |path: &Path| {
            let is_empty = fs::symlink_metadata(path)
                .is_ok_and(|about| about.is_file() && about.len() == 0);
            is_empty && parse(path).is_some()
        };
        let keep = |tree: BTreeMap<PathBuf, String>| -> BTreeMap<PathBuf, String> {
            tree.into_iter().filter(|(path, _)| !is_ours(path)).collect()
        };
        let before: BTreeMap<_, _> =
            keep(tree(root.path())).into_iter().filter(|(path, _)| !is_left(path)).collect();
        if let Ok((mut folder, _)) = open(root.path(), OURS) {
            let (header, saved) = header(OURS);
            let id = folder.next_id();
            folder.files().write(id, &header, saved.bytes()).unwrap();
            for _ in 0..removes {
                folder.remove_other();
            }
            folder.files().remove(id);
        }
        let after = keep(tree(root.path()));
        for (path, was) in &before {
            prop_assert_eq!(after.get(path), Some(was), "{}", path.display());
        }
    }
}
