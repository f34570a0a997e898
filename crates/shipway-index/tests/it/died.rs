//! PostgreSQL killed with `kill -9` while clients write, and started again on the same data directory: what was
//! acknowledged is there, what was not answered is done or not done (row L4).

#![expect(clippy::print_stdout, reason = "the seed, and how far a long run is")]

use std::path::Path;
use std::time::Duration;

use shipway_index::{Admin, Config};
use shipway_testing::{Cluster, Random};

use crate::kit::{Folder, Kit, client, config};
use crate::load::{Client, Follower, Shift, Whole, Worker};

/// The index of a folder over the database of its own cluster.
fn over(cluster: &Cluster, folder: &Path) -> Config {
    let mut config = config(folder);
    config.database = Some(cluster.url("own"));
    config
}

async fn killed(kills: usize, seed: u64) {
    let seed = std::env::var("SHIPWAY_TEST_SEED").map_or(seed, |seed| seed.parse().unwrap());
    println!("SHIPWAY_TEST_SEED={seed}");
    let mut cluster = Cluster::start();
    let database = cluster.create("own");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let kit = Kit::over(Folder::Own(folder), |config| config.database = Some(database)).await;
    let admin = Admin::open(&over(&cluster, &path)).await.unwrap();
    let open =
        "[publish]\nenrol-keys = true\n[channel.staging]\nrequires = []\n[channel.stable]\nrequires = []\n";
    admin.set_policy(open).await.unwrap();
    admin.close().await;
    let way = Client { http: client(), url: kit.url(""), token: kit.server.token.expose().to_owned() };
    let whole = Whole::default();
    let mut workers: Vec<_> = (0..3).map(|number| Worker::new(number, seed, whole.clone())).collect();
    let (mut random, mut log) = (Random(seed), Follower::default());
    for round in 0..kills {
        let shift = Shift::begin(&mut workers, |_| &way);
        tokio::time::sleep(Duration::from_millis(30 + random.below(150) as u64)).await;
        cluster.kill();
        shift.stop();
        // The requests under way meet a server that is gone, and one that recovers.
        tokio::task::block_in_place(|| cluster.start_again());
        workers = shift.end().await;
        for worker in &mut workers {
            worker.compare(&way).await.unwrap();
        }
        log.follow(&way, None).await.unwrap();
        workers.iter().for_each(|worker| log.agrees_with(&worker.project));
        if round % 10 == 9 {
            println!("{} kills", round + 1);
        }
    }
    let done: u64 = workers.iter().map(|worker| worker.done).sum();
    println!("{kills} kills, {done} changes");
    assert!(done > kills as u64, "there was hardly any load");
    // Bytes of an upload whose row never came may be left: named, and no damage.
    let admin = Admin::open(&over(&cluster, &path)).await.unwrap();
    let found = admin.fsck(true).await.unwrap();
    assert!(found.problems.iter().all(|problem| problem.kind == "extra"), "{found:?}");
    assert_eq!(admin.fsck(false).await.unwrap().problems, Vec::new());
    admin.close().await;
    kit.server.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l4_a_database_that_is_killed_has_what_was_acknowledged() {
    killed(2, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; run by `./test --long`"]
async fn long_l4_a_database_that_is_killed_a_hundred_times_has_what_was_acknowledged() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    killed(100, seed).await;
}
