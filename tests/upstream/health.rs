//! Endpoints that are down, slow or close connections: what is asked again, and what never is.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http_body_util::BodyExt;

use crate::house::{ask, nobody, nova_at, post, run, told};
use crate::server::{Act, Heard, Server, ok};

fn connections(heard: &[Heard]) -> Vec<(usize, usize)> {
    heard.iter().map(|heard| (heard.connection, heard.number)).collect()
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    run(async {
        let server = Server::start(|_| Act::Say(ok("x")));
        let nova = nova_at(&[&server.url], |_, _| {}).expect("good");
        for _ in 0..20 {
            assert_eq!(told(ask(&nova, "GET", "/").await).await.1, "x");
        }
        let one_after_the_other: Vec<_> = (1..=20).map(|number| (1, number)).collect();
        assert_eq!(connections(&server.heard()), one_after_the_other);
    });
}

/// A server may close a connection while the next request is on its way (RFC 9112 §9.3.1).
#[test]
fn a_kept_connection_that_is_closed_under_a_request_costs_the_guest_nothing() {
    run(async {
        let server = Server::start(|heard| if heard.number > 1 { Act::Close } else { Act::Say(ok("x")) });
        let nova = nova_at(&[&server.url], |_, _| {}).expect("good");
        for method in ["GET", "GET", "PUT", "OPTIONS"] {
            assert_eq!(
                told(ask(&nova, method, "/").await).await,
                (http::StatusCode::OK, "x".into()),
                "{method}"
            );
        }
        assert!(server.heard().iter().any(|heard| heard.number == 2), "a kept connection was tried");
    });
}

#[test]
fn an_endpoint_that_breaks_every_request_is_asked_once_for_each() {
    run(async {
        let server = Server::start(|_| Act::Close);
        let nova = nova_at(&[&server.url], |_, _| {}).expect("good");
        assert_eq!(told(ask(&nova, "GET", "/").await).await.0, 502);
        assert_eq!(connections(&server.heard()), [(1, 1)]);
    });
}

#[test]
fn what_may_change_something_is_sent_once_and_on_a_connection_of_its_own() {
    run(async {
        let breaks =
            |heard: &Heard| if heard.text.starts_with("POST") { Act::Close } else { Act::Say(ok("x")) };
        let (one, two) = (Server::start(breaks), Server::start(breaks));
        let nova = nova_at(&[&one.url, &two.url], |_, _| {}).expect("good");
        for _ in 0..4 {
            assert_eq!(told(ask(&nova, "GET", "/").await).await.0, 200);
        }
        drop([one.heard(), two.heard()]);
        assert_eq!(told(post(&nova, "/password", "secret").await).await.0, 502);
        assert_eq!(told(ask(&nova, "DELETE", "/").await).await.0, 200);
        let all = [one.heard(), two.heard()].concat();
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all.iter().all(|heard| heard.number == 1), "{all:?}");
    });
}

/// The body is still there when the first endpoint is not.
#[test]
fn a_body_goes_to_the_next_endpoint_when_one_is_not_there() {
    run(async {
        let server = Server::start(|heard| Act::Say(ok(heard.text.rsplit("\r\n").next().unwrap_or(""))));
        for endpoints in [[nobody(), server.url.clone()], [server.url.clone(), nobody()]] {
            let nova = nova_at(&endpoints, |_, _| {}).expect("good");
            for _ in 0..4 {
                assert_eq!(
                    told(post(&nova, "/echo", "secret").await).await,
                    (http::StatusCode::OK, "secret".into())
                );
            }
        }
    });
}

#[test]
fn http_046_when_all_endpoints_are_down_the_guest_is_told_when_to_ask_again() {
    run(async {
        let nova = nova_at(&[nobody(), nobody()], |_, _| {}).expect("good");
        for method in ["GET", "POST", "GET"] {
            let answer = ask(&nova, method, "/").await;
            assert_eq!(answer.status(), 503);
            let pause = answer.headers().get(RETRY_AFTER).expect("a time").to_str().expect("text");
            assert!((1..=9).contains(&pause.parse::<u32>().expect("seconds")), "{pause}");
            assert!(!told(answer).await.1.contains("::1"), "where the upstream is is nobody's business");
        }
    });
}

/// The other endpoint answers; the slow one is asked last for a while, not again and again.
#[test]
fn a_slow_endpoint_holds_up_one_request() {
    run(async {
        let (slow, fast) = (Server::start(|_| Act::Hang), Server::start(|_| Act::Say(ok("x"))));
        let nova = nova_at(&[&slow.url, &fast.url], |config, _| {
            config.hedge = Duration::from_secs(2);
        });
        let nova = nova.expect("good");
        for _ in 0..6 {
            assert_eq!(told(ask(&nova, "GET", "/").await).await.1, "x");
        }
        assert_eq!(slow.heard().len(), 1);
        assert_eq!(fast.heard().len(), 6);
    });
}

#[test]
fn what_may_change_something_is_never_asked_twice_however_slow() {
    run(async {
        let (one, two) = (Server::start(|_| Act::Hang), Server::start(|_| Act::Hang));
        let nova = nova_at(&[&one.url, &two.url], |config, _| {
            config.hedge = Duration::from_millis(1);
            config.timeout = Some(Duration::from_secs(1));
        });
        assert_eq!(told(post(&nova.expect("good"), "/", "secret").await).await.0, 504);
        assert!(one.heard().len() + two.heard().len() <= 1);
    });
}

/// Both have been asked when the first of them breaks off.
#[test]
fn when_both_endpoints_break_each_was_asked_once() {
    run(async {
        let both = Arc::new(Barrier::new(2));
        let servers = [Arc::clone(&both), both].map(|both| {
            Server::start(move |_| {
                both.wait();
                Act::Close
            })
        });
        let urls = servers.each_ref().map(|server| server.url.clone());
        let nova = nova_at(&urls, |config, _| config.hedge = Duration::from_millis(1)).expect("good");
        assert_eq!(told(ask(&nova, "GET", "/").await).await.0, 502);
        assert_eq!(servers.each_ref().map(|server| server.heard().len()), [1, 1]);
    });
}

#[test]
fn no_more_requests_are_with_upstreams_than_the_limit() {
    run(async {
        let both = Arc::new(Barrier::new(2));
        let gate = Arc::clone(&both);
        let server = Server::start(move |_| {
            gate.wait();
            Act::Say(ok("xyz"))
        });
        let nova = nova_at(&[&server.url], |_, limits| limits.upstream_requests = 1).expect("good");
        let second = async {
            let second = ask(&nova, "GET", "/").await;
            assert_eq!(second.status(), 503, "the first one is not answered yet");
            assert!(second.headers().contains_key(RETRY_AFTER));
            open(&both).await;
        };
        let (first, ()) = tokio::join!(ask(&nova, "GET", "/"), second);
        assert_eq!(first.status(), 200);
        let (third, _) = tokio::join!(ask(&nova, "GET", "/"), open(&both));
        assert_eq!(third.status(), 200, "a body that is not taken yet holds up nobody");
        assert_eq!(first.into_body().collect().await.expect("a body").to_bytes(), "xyz");
    });
}

/// Waits at a gate without holding up the runtime.
async fn open(gate: &Arc<Barrier>) {
    let gate = Arc::clone(gate);
    tokio::task::spawn_blocking(move || gate.wait()).await.expect("no panic");
}
