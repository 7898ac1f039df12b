//! Whether the configuration's files are worth an attempt to read them.
//!
//! A refused attempt is made again only when something changed since, be it a file that the attempt did not come to. When
//! all files are again those that the configuration in force was read from, the refusal is over without one.

use crate::config::{Fingerprint, Watched};

/// The files of the configuration in force, and those of the attempt that was refused since.
#[derive(Clone, Debug)]
pub(super) struct Files {
    in_force: Watched,
    refused: Option<Watched>,
    last_look: Option<Look>,
}

/// How the files stand at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    all: Fingerprint,
    is_in_force: bool,
}

/// What a look calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing, or not yet: nobody wants to read a file that is half-written.
    Wait,
    /// An attempt.
    Try,
    /// No attempt: what is in force is what the files say, and no refusal counts any more.
    Settle,
}

impl Files {
    pub(super) fn new(in_force: Watched) -> Self {
        Self {
            in_force,
            refused: None,
            last_look: None,
        }
    }

    /// Looks at the files. Blocks on the disk.
    pub(super) fn look(&self) -> Look {
        Look {
            all: self.watched().as_it_is(),
            is_in_force: self.in_force.as_it_is() == self.in_force.as_read(),
        }
    }

    /// What the look calls for, given the one before.
    pub(super) fn judge(&mut self, look: Look) -> Step {
        let is_still = self.last_look.as_ref() == Some(&look);
        let is_known = look.all == self.watched().as_read();
        let is_back = look.is_in_force && self.refused.is_some();
        self.last_look = Some(look);
        match is_still {
            true if is_back => {
                self.refused = None;
                Step::Settle
            }
            true if !is_known => Step::Try,
            true | false => Step::Wait,
        }
    }

    /// The files of the configuration in force as they stand now: for [`refuse`](Self::refuse), before the attempt. Blocks
    /// on the disk.
    pub(super) fn before_attempt(&self) -> Watched {
        self.in_force.anew()
    }

    /// Notes that the files of an attempt are in force.
    pub(super) fn apply(&mut self, read: Watched) {
        self.in_force = read;
        self.refused = None;
    }

    /// Notes that an attempt was refused, with what stood before it and what it came to read.
    pub(super) fn refuse(&mut self, before: Watched, read: Watched) {
        self.refused = Some(before.and(read));
    }

    fn watched(&self) -> &Watched {
        self.refused.as_ref().unwrap_or(&self.in_force)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::config::load_watched;

    struct World {
        folder: TempDir,
        files: Files,
    }

    impl World {
        /// A main file without an error in its text, a secret and a folder of sites.
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("sites.d")).unwrap();
            for (name, text) in [
                ("main.toml", "sites = \"sites.d/*.toml\"\n"),
                (
                    "sites.d/a.toml",
                    "[chat]\nsecret_key = { file = \"key\" }\n",
                ),
                ("sites.d/key", "one"),
            ] {
                fs::write(folder.path().join(name), text).unwrap();
            }
            let main = folder.path().join("main.toml");
            let files = Files::new(load_watched(&main, &|_| None).1);
            Self { folder, files }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn step(&mut self) -> Step {
            self.files.judge(self.files.look())
        }

        /// What the next looks call for, once the files are still.
        fn still_step(&mut self) -> Step {
            self.step();
            self.step()
        }

        fn refuse_attempt(&mut self) {
            let before = self.files.before_attempt();
            let read = load_watched(&self.path("main.toml"), &|_| None).1;
            self.files.refuse(before, read);
        }
    }

    #[test]
    fn a_change_is_tried_once_it_is_still() {
        let mut world = World::new();
        assert_eq!(world.still_step(), Step::Wait);
        fs::write(world.path("sites.d/key"), "two!").unwrap();
        assert_eq!([world.step(), world.step()], [Step::Wait, Step::Try]);
    }

    #[test]
    fn o2_a_refused_attempt_is_not_made_again_until_something_changes() {
        type Change<'c> = (&'c str, &'c dyn Fn(&World));
        let changes: [Change<'_>; 3] = [
            ("a fault before a changed secret", &|world| {
                fs::write(world.path("main.toml"), "nonsense =").unwrap();
                fs::write(world.path("sites.d/key"), "two!").unwrap();
            }),
            ("sites moved away", &|world| {
                fs::rename(world.path("sites.d"), world.path("away")).unwrap();
            }),
            ("all gone", &|world| {
                fs::rename(world.path("sites.d"), world.path("away")).unwrap();
                fs::remove_file(world.path("main.toml")).unwrap();
            }),
        ];
        for (case, change) in changes {
            let mut world = World::new();
            change(&world);
            assert_eq!(world.still_step(), Step::Try, "{case}");
            world.refuse_attempt();
            for _ in 0..5 {
                assert_eq!(world.still_step(), Step::Wait, "{case}");
            }
            fs::write(world.path("main.toml"), "sites = \"b/*.toml\"").unwrap();
            assert_eq!(world.still_step(), Step::Try, "{case}");
        }
    }

    #[test]
    fn an_attempt_that_broke_off_is_not_made_again_either() {
        let mut world = World::new();
        fs::write(world.path("sites.d/key"), "two!").unwrap();
        assert_eq!(world.still_step(), Step::Try);
        let before = world.files.before_attempt();
        world.files.refuse(before, Watched::default());
        assert_eq!(world.still_step(), Step::Wait);
        fs::write(world.path("sites.d/key"), "three").unwrap();
        assert_eq!(world.still_step(), Step::Try);
    }

    #[test]
    fn a_file_that_changes_under_an_attempt_is_tried_again() {
        let mut world = World::new();
        fs::write(world.path("main.toml"), "nonsense =").unwrap();
        assert_eq!(world.still_step(), Step::Try);
        let before = world.files.before_attempt();
        let read = load_watched(&world.path("main.toml"), &|_| None).1;
        fs::write(world.path("sites.d/key"), "two!").unwrap();
        world.files.refuse(before, read);
        assert_eq!(world.still_step(), Step::Try);
    }

    #[test]
    fn o2_a_refusal_is_over_when_the_files_are_those_in_force_again() {
        let mut world = World::new();
        fs::rename(world.path("sites.d"), world.path("away")).unwrap();
        assert_eq!(world.still_step(), Step::Try);
        world.refuse_attempt();
        assert_eq!(world.still_step(), Step::Wait);
        fs::rename(world.path("away"), world.path("sites.d")).unwrap();
        assert_eq!(world.still_step(), Step::Settle);
        assert_eq!(world.still_step(), Step::Wait);
        fs::write(world.path("sites.d/key"), "two!").unwrap();
        assert_eq!(world.still_step(), Step::Try);
    }

    #[test]
    fn what_was_applied_is_what_changes_are_measured_by() {
        let mut world = World::new();
        fs::write(world.path("sites.d/key"), "two!").unwrap();
        assert_eq!(world.still_step(), Step::Try);
        let read = load_watched(&world.path("main.toml"), &|_| None).1;
        world.files.apply(read);
        assert_eq!(world.still_step(), Step::Wait);
    }
}
