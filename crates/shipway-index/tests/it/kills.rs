//! `kill -9` at random moments under load: nothing acknowledged is lost, nothing half is visible (row L4).
//!
//! Three clients change a project each (upload, publish, bring evidence, promote, yank, roll back) and know what
//! must be seen; one reads. A server is killed in the middle of that, or while it starts, and started again. Then
//! every project must look as it was acknowledged; what was asked for without an answer is done or not done. On
//! PostgreSQL there are two servers: one is killed, the clients of the other notice nothing.
//!
//! `SHIPWAY_TEST_SEED` repeats the operations and waits of a run, `SHIPWAY_TEST_KILLS` sets their number.

#![expect(clippy::print_stdout, reason = "the seed, and how far a long run is")]

use std::path::Path;
use std::time::{Duration, Instant};

use shipway_index::{Action, Admin, TokenSpec};
use shipway_testing::Random;

use crate::backend::{Backend, Waiter, backend};
use crate::child::{self, Child, config_of};
use crate::kit::client;
use crate::load::{Client, Follower, Shift, Whole, Worker, read};

const WORKERS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the server process of other tests"]
async fn server() {
    child::serve().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l4_random_kills_lose_nothing_and_show_nothing_half() {
    // A round over PostgreSQL starts one of two servers and takes three times as long.
    let kills = if backend() == Backend::Sqlite { 20 } else { 10 };
    Run::new(1).await.kill(kills, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes many minutes; run by `./test --long`"]
async fn long_l4_a_thousand_random_kills_lose_nothing_and_show_nothing_half() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Run::new(seed).await.kill(1000, 50).await;
}

/// Makes a token that may do everything, and lets releases through without evidence.
pub(crate) async fn prepare(folder: &Path) -> String {
    let admin = Admin::open(&config_of(folder, 0)).await.unwrap();
    let open = "[publish]\nlocal = \"allow\"\nenrol-keys = true\n[channel.staging]\nrequires = []\n[channel.stable]\nrequires = []\n";
    admin.set_policy(open).await.unwrap();
    let spec = TokenSpec {
        name: "everything".into(),
        projects: Vec::new(),
        channels: Vec::new(),
        actions: Action::ALL.to_vec(),
        expires: None,
    };
    let token = admin.create_token(&spec).await.unwrap();
    admin.close().await;
    token.expose().to_owned()
}

struct Run {
    folder: tempfile::TempDir,
    token: String,
    servers: Vec<(Child, Client)>,
    workers: Vec<Worker>,
    waiter: Waiter,
    whole: Whole,
    log: Follower,
    random: Random,
    kills: usize,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let seed = std::env::var("SHIPWAY_TEST_SEED").map_or(seed, |seed| seed.parse().unwrap());
        println!("SHIPWAY_TEST_SEED={seed}");
        let folder = tempfile::tempdir().unwrap();
        let token = prepare(folder.path()).await;
        let whole = Whole::default();
        let mut run = Self {
            workers: (0..WORKERS).map(|number| Worker::new(number, seed, whole.clone())).collect(),
            waiter: Waiter::over(folder.path()).await,
            folder,
            token,
            servers: Vec::new(),
            whole,
            log: Follower::default(),
            random: Random(seed),
            kills: 0,
        };
        let count = if backend() == Backend::Sqlite { 1 } else { 2 };
        for number in 0..count {
            let server = run.start(number);
            run.servers.push(server);
        }
        run
    }

    /// Starts a server; sometimes it is killed before it serves, once or more.
    fn start(&mut self, number: usize) -> (Child, Client) {
        while self.random.below(6) == 0 {
            let mut child = Child::spawn(self.folder.path(), number, &[]);
            std::thread::sleep(Duration::from_millis(self.random.below(80) as u64));
            child.kill();
            self.kills += 1;
        }
        let mut child = Child::spawn(self.folder.path(), number, &[]);
        let url = child.ready().unwrap_or_else(|said| panic!("it does not start again: {said}"));
        (child, Client { http: client(), url, token: self.token.clone() })
    }

    async fn kill(mut self, kills: usize, every: usize) {
        let kills = std::env::var("SHIPWAY_TEST_KILLS").map_or(kills, |kills| kills.parse().unwrap());
        let (began, mut rounds) = (Instant::now(), 0);
        while self.kills < kills {
            let victim = self.random.below(self.servers.len());
            let seen = self.load(victim).await;
            self.servers[victim] = self.start(victim);
            self.compare(seen.as_deref()).await;
            rounds += 1;
            if rounds % every == 0 {
                self.look_at_everything().await;
                let done: u64 = self.workers.iter().map(|worker| worker.done).sum();
                println!("{} kills, {done} changes, {} seconds", self.kills, began.elapsed().as_secs());
            }
        }
        self.look_at_everything().await;
        let done: u64 = self.workers.iter().map(|worker| worker.done).sum();
        println!("{} kills, {done} changes, {} seconds", self.kills, began.elapsed().as_secs());
        assert!(done > self.kills as u64 / 2, "there was hardly any load");
    }

    /// Load on every server until one of them is killed; gives the last checkpoint that the reader saw.
    async fn load(&mut self, victim: usize) -> Option<String> {
        let count = self.servers.len();
        let shift = Shift::begin(&mut self.workers, |number| &self.servers[number % count].1);
        let (client, whole, halt) = (self.servers[victim].1.clone(), self.whole.clone(), shift.stop.clone());
        let random = Random(self.random.number());
        let reader = tokio::spawn(async move { read(&client, &whole, random, &halt).await });
        tokio::time::sleep(Duration::from_micros(5_000 + self.random.below(45_000) as u64)).await;
        self.servers[victim].0.kill();
        self.kills += 1;
        for (number, worker) in shift.end().await.into_iter().enumerate() {
            let gone = number % count == victim;
            assert!(gone || worker.doubt.is_none(), "a client of a server that runs got no answer");
            self.workers.push(worker);
        }
        reader.await.unwrap()
    }

    async fn compare(&mut self, seen: Option<&str>) {
        let count = self.servers.len();
        for (number, worker) in self.workers.iter_mut().enumerate() {
            // What a killed server asked of PostgreSQL last may still be under way there.
            self.waiter.wait(&worker.project.name).await;
            let client = &self.servers[(number + self.kills) % count].1;
            worker.compare(client).await.unwrap();
        }
        self.log.follow(&self.servers[0].1, seen).await.unwrap();
        for worker in &self.workers {
            self.log.agrees_with(&worker.project);
        }
    }

    /// Every project, every byte, every row and the whole log.
    async fn look_at_everything(&mut self) {
        for worker in &self.workers {
            for project in worker.projects() {
                let (_, client) = &self.servers[self.kills % self.servers.len()];
                assert_eq!(client.shown(&project.name).await.unwrap(), project.view(), "{}", project.name);
                self.log.agrees_with(project);
            }
        }
        let admin = Admin::open(&config_of(self.folder.path(), 0)).await.unwrap();
        let found = admin.fsck(false).await.unwrap();
        assert_eq!(found.problems, Vec::new());
        admin.close().await;
    }
}
