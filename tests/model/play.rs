//! A script, played on toy models of the files and on the program, in process or over its sockets.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::world::{Got, Op, Promise, Stored, World, check, odd_op, op};

/// Clients in each script. The first one is always there.
const CLIENTS: usize = 3;

/// Files that are followed in each script.
pub(crate) const FILES: usize = 2;

/// Files that may come under a name while a client does not read, and are held open though they were deleted: beyond, it
/// may be told of a gap.
const FILES_KEPT: usize = 3;

/// One run of the program.
pub(crate) trait Program: Sized {
    type Client: Client<Program = Self>;

    fn start(logs: &[PathBuf], stored: Stored) -> Self;
    fn end(self);
    /// Waits until everything that was written is published. It runs on where it was frozen.
    fn look(&self) -> Result<(), String>;
    /// It does not run until it is asked for a look or a client comes: what happens meanwhile happens between two looks.
    fn freeze(&self) {}
}

/// A client, over all its connections.
pub(crate) trait Client {
    type Program: Program;

    fn new(number: usize) -> Self;
    fn is_away(&self) -> bool;
    /// Connects: with everything there is, or after what it got last.
    fn come(&mut self, program: &Self::Program);
    /// Disconnects.
    fn go(&mut self, program: &Self::Program);
    /// It does not read for now, or does again.
    fn stall(&mut self, stalls: bool);
    fn stalls(&self) -> bool;
    /// Files can come and go while it does not read.
    fn can_be_left_behind(&self) -> bool;
    /// Takes what comes until it has this line of each file.
    fn take_until(&mut self, program: &Self::Program, last: &[usize]) -> Result<(), String>;
    /// Takes what is published.
    fn catch_up(&mut self, program: &Self::Program) -> Result<(), String>;
    /// What it has got of a file.
    fn got(&self, file: usize) -> Vec<Got>;
}

/// One step of a script.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    World(usize, Op),
    /// The client comes, or goes.
    Toggle(usize),
    /// The client stops reading, or reads again.
    Stall(usize),
    /// The program ends, or is started again.
    Power,
    /// The program does not run for a while.
    Freeze,
}

/// A script of odd writers and rotators.
pub(crate) fn odd_script(may_lose: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..FILES, odd_op(may_lose)).prop_map(|(file, op)| Step::World(file, op)),
        2 => (1..CLIENTS).prop_map(Step::Toggle),
        1 => (1..CLIENTS).prop_map(Step::Stall),
        1 => Just(Step::Freeze),
        1 => Just(Step::Power),
    ];
    proptest::collection::vec(step, 1..24)
}

pub(crate) fn script(may_lose: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..FILES, op(may_lose)).prop_map(|(file, op)| Step::World(file, op)),
        2 => (1..CLIENTS).prop_map(Step::Toggle),
        2 => (1..CLIENTS).prop_map(Step::Stall),
        1 => Just(Step::Power),
    ];
    proptest::collection::vec(step, 1..24)
}

/// What a client may have missed of a file.
#[derive(Clone, Default)]
struct Missed {
    /// Bytes that it had not got were deleted, or it was left too far behind.
    may_lose: bool,
    /// Files that there had been when it last had everything, and how often some had vanished.
    files: usize,
    vanished: usize,
    /// It stood at the end of a file then that may be gone when it comes back.
    stands_in_vanished: bool,
}

/// A client and what it may have missed.
struct Seat<C> {
    client: C,
    missed: Vec<Missed>,
}

struct Play<P: Program> {
    worlds: Vec<World>,
    program: Option<P>,
    seats: Vec<Seat<P::Client>>,
    stored: Stored,
    /// All clients but the first stop reading, and read again, together.
    herd: bool,
    failed: Option<String>,
}

impl<P: Program> Play<P> {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::World(file, ref op) => self.change(file, op),
            Step::Toggle(n) => {
                let Some(program) = &self.program else { return };
                let seat = &mut self.seats[n];
                let worlds: Vec<&World> = self.worlds.iter().collect();
                if seat.client.is_away() {
                    seat.come(&worlds, program, &mut self.failed);
                } else {
                    let seats = std::slice::from_mut(seat);
                    settle(&worlds, Some(program), seats, &mut self.failed);
                    seats[0].go(&worlds, program);
                }
            }
            Step::Stall(n) => {
                let stalls = !self.seats[n].client.stalls();
                let others = match self.herd {
                    true => 1..CLIENTS,
                    false => n..n + 1,
                };
                for seat in &mut self.seats[others] {
                    seat.client.stall(stalls);
                }
            }
            Step::Power => match self.program.take() {
                Some(program) => self.stop(program),
                None => self.start(),
            },
            Step::Freeze => {
                if let Some(program) = &self.program {
                    program.freeze();
                }
            }
        }
    }

    fn change(&mut self, file: usize, op: &Op) {
        let mut world = self.worlds.remove(file);
        world.play(op, &mut |world| {
            let mut worlds: Vec<&World> = self.worlds.iter().collect();
            worlds.insert(file, world);
            let program = self.program.as_ref();
            settle(&worlds, program, &mut self.seats, &mut self.failed);
        });
        self.worlds.insert(file, world);
        if !self.worlds[file].keeps_all(op) {
            // What is not there any more can't be read by those who come later, and who was not there can't know of
            // it.
            for seat in self.seats.iter_mut().filter(|seat| seat.client.is_away()) {
                seat.missed[file].may_lose = true;
            }
        }
    }

    fn stop(&mut self, program: P) {
        let worlds: Vec<&World> = self.worlds.iter().collect();
        settle(&worlds, Some(&program), &mut self.seats, &mut self.failed);
        for seat in &mut self.seats {
            seat.go(&worlds, &program);
        }
        program.end();
        self.worlds
            .iter_mut()
            .for_each(|world| world.is_read(false));
    }

    fn start(&mut self) {
        let logs: Vec<PathBuf> = self.worlds.iter().map(World::followed).collect();
        let program = P::start(&logs, self.stored);
        self.worlds.iter_mut().for_each(|world| world.is_read(true));
        let worlds: Vec<&World> = self.worlds.iter().collect();
        for seat in &mut self.seats {
            seat.come(&worlds, &program, &mut self.failed);
        }
        self.program = Some(program);
    }

    /// Whether every client has in the end what it was promised.
    fn outcome(&mut self, program: &P) -> Result<(), String> {
        program.look()?;
        let last: Vec<usize> = self
            .worlds
            .iter()
            .map(|world| world.lines.len() - 1)
            .collect();
        let worlds: Vec<&World> = self.worlds.iter().collect();
        for (n, seat) in self.seats.iter_mut().enumerate() {
            seat.leave_behind(&worlds);
            let client = &mut seat.client;
            if client.is_away() {
                client.come(program);
            }
            client.stall(false);
            let reached = client.take_until(program, &last);
            for (file, world) in worlds.iter().enumerate() {
                let got = client.got(file);
                let promise = match (seat.missed[file].may_lose, world.lossy) {
                    (true, _) => Promise::Order,
                    (false, true) => Promise::Told,
                    (false, false) => Promise::All,
                };
                reached
                    .clone()
                    .map_err(|e| format!("{e}; {}", tail(&got)))
                    .and_then(|()| check(&got, world, promise))
                    .map_err(|e| format!("client {n}, file {file}: {e}"))?;
            }
        }
        Ok(())
    }
}

impl<C: Client> Seat<C> {
    fn leave_behind(&mut self, worlds: &[&World]) {
        if self.client.can_be_left_behind() {
            for (missed, world) in self.missed.iter_mut().zip(worlds) {
                // What was only renamed is found beside the file, however many there are.
                let vanished = world.vanished != missed.vanished || missed.stands_in_vanished;
                missed.may_lose |= vanished && world.files - missed.files > FILES_KEPT;
            }
        }
    }

    /// It has all there is.
    fn has_all(&mut self, worlds: &[&World]) {
        for (missed, world) in self.missed.iter_mut().zip(worlds) {
            missed.files = world.files;
            missed.vanished = world.vanished;
            missed.stands_in_vanished = world.vanished > 0 && world.current_is_empty;
        }
    }

    /// It comes, and reads what there is.
    fn come(&mut self, worlds: &[&World], program: &C::Program, failed: &mut Option<String>) {
        self.client.come(program);
        self.client.stall(false);
        // What was written just before it came may not be published yet.
        let looked = program.look();
        if let Err(e) = looked.and_then(|()| self.client.catch_up(program)) {
            failed.get_or_insert(e);
        }
        self.has_all(worlds);
    }

    /// It goes: what it has not got and what is not there any more is lost for it.
    fn go(&mut self, worlds: &[&World], program: &C::Program) {
        self.leave_behind(worlds);
        for (missed, world) in self.missed.iter_mut().zip(worlds) {
            missed.may_lose |= world.vanished != missed.vanished || missed.stands_in_vanished;
        }
        self.client.go(program);
    }
}

/// The watcher has all there is, the beginning of a line included; so have the clients that read.
fn settle<P: Program>(
    worlds: &[&World],
    program: Option<&P>,
    seats: &mut [Seat<P::Client>],
    failed: &mut Option<String>,
) {
    let Some(program) = program else { return };
    if let Err(e) = program.look() {
        failed.get_or_insert(e);
    }
    for seat in seats.iter_mut() {
        if seat.client.is_away() || seat.client.stalls() {
            continue;
        }
        seat.leave_behind(worlds);
        seat.has_all(worlds);
        let sure = seat
            .missed
            .iter()
            .zip(worlds)
            .all(|(missed, world)| !missed.may_lose && !world.lossy && world.whole_lines() > 0);
        let last: Vec<usize> = worlds
            .iter()
            .map(|world| world.whole_lines().saturating_sub(1))
            .collect();
        let outcome = match sure {
            true => seat.client.take_until(program, &last),
            false => seat.client.catch_up(program),
        };
        if let Err(e) = outcome {
            failed.get_or_insert(e);
        }
    }
}

/// Plays a script in the directory `home`.
pub(crate) fn play<P: Program>(
    home: &Path,
    script: &[Step],
    numbered: bool,
    (stored, herd): (Stored, bool),
) -> Result<(), String> {
    let world = |file: usize| World::new(&home.join(file.to_string()), numbered, stored);
    let mut play = Play::<P> {
        worlds: (0..FILES).map(world).collect(),
        program: None,
        seats: Vec::new(),
        stored,
        herd,
        failed: None,
    };
    for n in 0..CLIENTS {
        play.seats.push(Seat {
            client: P::Client::new(n),
            missed: vec![Missed::default(); FILES],
        });
    }
    play.start();
    for step in script {
        play.step(step);
        if play.failed.is_some() {
            break;
        }
    }
    if play.program.is_none() {
        play.start();
    }
    play.worlds.iter_mut().for_each(World::finish);
    let Some(program) = play.program.take() else {
        return Err("it was not started".to_owned());
    };
    let outcome = match play.failed.take() {
        Some(e) => Err(e),
        None => play.outcome(&program),
    };
    program.end();
    outcome.map_err(|e| {
        let files = play.worlds.iter().map(World::standing);
        format!("{e}\n{}", files.collect::<String>())
    })
}

fn tail(got: &[Got]) -> String {
    let last = &got[got.len().saturating_sub(16)..];
    format!("the last of {}: {last:?}", got.len())
}
