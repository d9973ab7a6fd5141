use crate::fake_host::FakeHost;
use crate::nodehost::*;
use crate::STATE_VERSION;

const CONFIG: &str = r#"{"what":"cups","report_seconds":10}"#;

fn started() -> Box<FakeHost> {
    let mut host = FakeHost::new(CONFIG);
    assert_eq!(host.start(), NH_OK);
    host
}

#[test]
fn counts_and_reports() {
    let mut host = started();
    assert_eq!(host.call("add", 2), Ok(2));
    assert_eq!(host.call("add", 40), Ok(42));
    host.advance(10);
    assert_eq!(host.log, ["42 cups"]);
}

#[test]
fn refuses_to_count_down() {
    assert_eq!(started().call("add", -1), Err(NH_INVALID_ARGUMENT));
}

#[test]
fn keeps_its_sum_over_a_swap() {
    let mut old = started();
    assert_eq!(old.call("add", 7), Ok(7));
    let mut new = FakeHost::new(CONFIG);
    assert_eq!(new.load(STATE_VERSION, &old.save()), NH_OK);
    assert_eq!(new.load(99, b"1"), NH_INVALID_ARGUMENT);
    assert_eq!(new.start(), NH_OK);
    assert_eq!(new.call("add", 1), Ok(8));
}
