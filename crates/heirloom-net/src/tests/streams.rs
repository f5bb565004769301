use super::*;
use crate::{OpenError, StreamError, limits};
use heirloom_base::ChunkId;
use heirloom_base::limits::CHUNK_BYTES_MAX;
use tokio::task::JoinSet;

/// Answers every request until the network stops.
fn host(mut node: Node) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let (mut pairings, node) = (0, &mut node);
        while let Some(event) = node.events.recv().await {
            match event {
                NetworkEvent::ChunkRequest { id, reply, .. } => drop(reply.send(chunk(id))),
                NetworkEvent::Hello { bytes, reply, .. } => {
                    drop(reply.send(bytes.into_iter().rev().collect()));
                }
                NetworkEvent::Pairing { mut stream, .. } => {
                    pairings += 1;
                    tokio::spawn(async move {
                        let asked = stream.receive().await.unwrap();
                        stream.send(&asked).await.unwrap();
                        stream.finish().await.ok();
                    });
                }
                _ => {}
            }
        }
        pairings
    })
}

/// A chunk that its id describes: which byte, and how many.
fn chunk(id: ChunkId) -> Option<Vec<u8>> {
    match id.0[0] {
        0 => None,
        byte @ 1..=9 => Some(vec![byte; CHUNK_BYTES_MAX]),
        255 => Some(vec![1; limits::SEALED_CHUNK_BYTES_MAX + 1]),
        byte => Some(vec![byte; byte as usize]),
    }
}

#[tokio::test]
async fn a_chunk_of_a_mebibyte_a_small_one_and_a_missing_one_are_told_apart() {
    let (lower, higher) = pair().await;
    let other = higher.id();
    let host = host(higher);
    let mut chunks = lower.network.fetch_chunks(other).await.unwrap();
    assert_eq!(chunks.fetch(ChunkId([3; 32])).await.unwrap(), Some(vec![3; CHUNK_BYTES_MAX]));
    assert_eq!(chunks.fetch(ChunkId([0; 32])).await.unwrap(), None);
    assert_eq!(chunks.fetch(ChunkId([20; 32])).await.unwrap(), Some(vec![20; 20]));
    // What passes the limit is not served.
    assert_eq!(chunks.fetch(ChunkId([255; 32])).await.unwrap(), None);
    host.abort();
}

#[tokio::test]
async fn of_64_streams_of_chunks_opened_at_once_none_is_lost() {
    let (lower, higher) = pair().await;
    let other = higher.id();
    let host = host(higher);
    let mut fetches = JoinSet::new();
    for number in 0..64_u8 {
        let network = lower.network.clone();
        fetches.spawn(async move {
            let mut chunks = network.fetch_chunks(other).await.unwrap();
            let id = ChunkId([100 + number; 32]);
            assert_eq!(chunks.fetch(id).await.unwrap(), chunk(id));
        });
    }
    soon("all chunks", async { while fetches.join_next().await.transpose().unwrap().is_some() {} })
        .await;
    host.abort();
}

#[tokio::test]
async fn of_64_pairings_opened_at_once_none_is_lost() {
    let (lower, higher) = pair().await;
    let other = higher.id();
    let host = host(higher);
    let mut pairings = JoinSet::new();
    for number in 0..64_u8 {
        let network = lower.network.clone();
        pairings.spawn(async move {
            let mut stream = network.open_pairing(other).await.unwrap();
            stream.send(&[number]).await.unwrap();
            assert_eq!(stream.receive().await.unwrap(), [number]);
        });
    }
    soon("all pairings", async {
        while pairings.join_next().await.transpose().unwrap().is_some() {}
    })
    .await;
    host.abort();
}

#[tokio::test]
async fn a_hello_is_answered_between_strangers() {
    let (stranger, house) = (Node::start(1).await, Node::start(2).await);
    stranger.dial(&house).await;
    let other = house.id();
    let host = host(house);
    let answer = stranger.network.open_hello(other, b"roster".to_vec()).await.unwrap();
    assert_eq!(answer, b"retsor");
    let longest = vec![7; limits::HELLO_BYTES_MAX];
    assert_eq!(stranger.network.open_hello(other, longest.clone()).await.unwrap(), longest);
    let too_long = vec![7; limits::HELLO_BYTES_MAX + 1];
    let refused = stranger.network.open_hello(other, too_long).await;
    assert!(matches!(refused, Err(StreamError::TooLong { .. })));
    host.abort();
}

#[tokio::test]
async fn a_hello_that_the_host_leaves_unanswered_ends() {
    let (stranger, mut house) = (Node::start(1).await, Node::start(2).await);
    stranger.dial(&house).await;
    let asked = stranger.network.open_hello(house.id(), b"roster".to_vec());
    let left = house.until("a hello", |event| match event {
        NetworkEvent::Hello { reply, .. } => Some(reply),
        _ => None,
    });
    let (answer, ()) = tokio::join!(asked, async { drop(left.await) });
    assert!(answer.is_err());
}

#[tokio::test]
async fn a_pairing_carries_a_grant_but_no_long_frame_before_it() {
    let (joiner, mut inviter) = (Node::start(1).await, Node::start(2).await);
    joiner.dial(&inviter).await;
    let mut here = joiner.network.open_pairing(inviter.id()).await.unwrap();
    let mut there = inviter
        .until("a pairing", |event| match event {
            NetworkEvent::Pairing { device, stream } => Some((device, stream)),
            _ => None,
        })
        .await;
    assert_eq!(there.0, joiner.id());
    here.send(b"first").await.unwrap();
    assert_eq!(there.1.receive().await.unwrap(), b"first");
    let grant = vec![9; limits::PAIRING_GRANT_BYTES_MAX];
    let granting = tokio::spawn(async move {
        there.1.send(&grant).await.unwrap();
        there.1.finish().await
    });
    assert_eq!(here.receive_grant().await.unwrap().len(), limits::PAIRING_GRANT_BYTES_MAX);
    assert!(matches!(here.receive().await, Err(StreamError::Ended)));
    drop(here);
    soon("the inviter's end", granting).await.unwrap().unwrap();

    let mut here = joiner.network.open_pairing(inviter.id()).await.unwrap();
    let mut there = inviter
        .until("a pairing", |event| match event {
            NetworkEvent::Pairing { stream, .. } => Some(stream),
            _ => None,
        })
        .await;
    there.send(&vec![9; limits::PAIRING_FRAME_BYTES_MAX + 1]).await.unwrap();
    let refused = here.receive().await;
    assert!(matches!(refused, Err(StreamError::TooLong { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_fifth_stream_of_chunks_waits_for_a_slot() {
    let (lower, higher) = pair().await;
    let other = higher.id();
    let host = host(higher);
    let mut open = Vec::new();
    for _ in 0..heirloom_base::limits::BLOB_STREAMS_MAX {
        open.push(lower.network.fetch_chunks(other).await.unwrap());
    }
    let fifth = lower.network.fetch_chunks(other);
    tokio::pin!(fifth);
    assert!(futures::poll!(fifth.as_mut()).is_pending());
    drop(open.pop());
    let mut fifth = soon("a slot", fifth).await.unwrap();
    assert_eq!(fifth.fetch(ChunkId([20; 32])).await.unwrap(), Some(vec![20; 20]));
    host.abort();
}

#[tokio::test]
async fn a_stopped_network_opens_nothing() {
    let (lower, higher) = pair().await;
    lower.network.shutdown().await;
    let opened = lower.network.open_pairing(higher.id()).await;
    assert_eq!(opened.unwrap_err(), OpenError::Stopped);
}
