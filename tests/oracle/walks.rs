//! Page walks while others write: in the default order every resource that survives is met once;
//! sorted by a value that changes, every resource that nobody touches meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use kantele_tests::{Client, on_each_backend};
use serde_json::{Value, json};

const RESOURCES: usize = 300;

fn patient(number: usize, family: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": format!("w{number}"), "gender": "other",
        "name": [{"family": family}],
    })
}

/// Patients whose number leaves 0 by 3 are changed again and again, 1 by 3 deleted and made anew.
fn write(client: &Client, is_done: &AtomicBool) {
    let mut round = 0;
    while !is_done.load(Ordering::Acquire) {
        round += 1;
        for number in (0..RESOURCES).step_by(7) {
            let path = format!("Patient/w{number}");
            match number % 3 {
                0 => {
                    let family = format!("Family{:03}", (number * 31 + round * 17) % 500);
                    client.put(&path, &patient(number, &family)).expecting(200);
                }
                1 => {
                    client.delete(&path);
                    client.put(&path, &patient(number, "Again"));
                }
                _ => {}
            }
            if is_done.load(Ordering::Acquire) {
                return;
            }
        }
    }
}

fn walk(client: &Client, query: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for key in client.search(query) {
        *times.entry(key).or_default() += 1;
    }
    times
}

#[test]
fn walks_meet_each_resource_once_while_others_write() {
    on_each_backend(|server| {
        let client = server.client();
        for number in 0..RESOURCES {
            client.store(&patient(number, &format!("Family{:03}", number * 13 % 500)));
        }
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = Client::new(client.base());
            let is_over = &is_done;
            scope.spawn(move || write(&writer, is_over));
            let orders = ["", "&_sort=family", "&_sort=-family", "&_sort=_lastUpdated"];
            for order in orders {
                let times = walk(client, &format!("Patient?gender=other&_count=7{order}"));
                for number in 0..RESOURCES {
                    let is_touched = number % 7 == 0 && number % 3 != 2;
                    let found = times.get(&format!("Patient/w{number}")).copied().unwrap_or(0);
                    let is_fine = match (is_touched, order) {
                        (false, _) => found == 1,
                        (true, "") if number % 3 == 0 => found == 1,
                        (true, "") => found <= 1,
                        (true, _) => true,
                    };
                    if !is_fine {
                        is_done.store(true, Ordering::Release);
                    }
                    assert!(is_fine, "w{number} was met {found} times in the order '{order}'");
                }
            }
            is_done.store(true, Ordering::Release);
        });
    });
}
