//! The first role, in Rust: it greets, adds, answers later, and ticks. The C headers are the manual.
//!
//! No panic may cross into the host, so every function that the host calls goes through `guarded`.
mod nodehost;

use nodehost::*;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};

const STATE_VERSION: u32 = 1;
const DAY_MS: i64 = 86_400_000;

/// Members are those of `NH_PLUGIN_NOTE`. No flag: whoever adds a thread or a thread-local to a Rust library
/// must not have it unmapped.
#[used]
#[link_section = ".note.nodehost"]
static NOTE: nh_note = nh_note {
    name_size: 9,
    desc_size: std::mem::size_of::<nh_note>() as u32 - 24,
    kind: NH_NOTE_TYPE,
    name: *b"NODEHOST\0\0\0\0",
    abi_major: NH_ABI_MAJOR,
    revision_least: 1,
    revision_built: NH_ABI_REVISION,
    language: NH_LANGUAGE_RUST,
    flags: 0,
    reserved: 0,
    layout: NH_BASE_LAYOUT,
    plugin_id: note_id(b"hello-rust"),
};

const fn note_id(id: &[u8]) -> [u8; NH_NOTE_ID_LENGTH as usize] {
    let mut room = [0; NH_NOTE_ID_LENGTH as usize];
    let mut i = 0;
    while i < id.len() {
        room[i] = id[i];
        i += 1;
    }
    room
}

/// A call of `later` that waits for its timer.
struct Waiting {
    call: nh_call,
    timer: nh_handle,
    text: Vec<u8>,
}

struct Services {
    timers: *const nh_timer_service,
    bus: *const nh_bus_service,
    metrics: *const nh_metrics_service,
}

struct Hello {
    host: *const nh_host,
    services: Option<Services>,
    greeting: Vec<u8>,
    tick_seconds: i64,
    tick_timer: nh_handle,
    /// 0 if the host has no room for it.
    tick_counter: nh_handle,
    ticks: u64,
    waiting: Vec<Waiting>,
}

/// Why something failed; the text ends in what to do about it.
struct Failure(nh_status, &'static str);

// The edge

const fn text(text: &str) -> nh_str {
    nh_str { ptr: text.as_ptr(), len: text.len() as u64 }
}

fn bytes(bytes: &[u8]) -> nh_bytes {
    nh_bytes { ptr: bytes.as_ptr(), len: bytes.len() as u64 }
}

/// What C lends for the length of a call.
unsafe fn borrowed<'a>(ptr: *const u8, len: u64) -> &'a [u8] {
    if ptr.is_null() { &[] } else { std::slice::from_raw_parts(ptr, len as usize) }
}

unsafe fn copy(from: &str, room: *mut u8, capacity: u64) -> u64 {
    let len = if room.is_null() { 0 } else { from.len().min(capacity as usize) };
    std::ptr::copy_nonoverlapping(from.as_ptr(), room, len);
    len as u64
}

/// Runs a body; a failure or panic goes to the host as status and words.
unsafe fn guarded(error: *mut nh_error, body: impl FnOnce() -> Result<(), Failure>) -> nh_status {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Failure(NH_INTERNAL, "the role panicked")));
    let Failure(code, message) = match outcome {
        Ok(()) => return NH_OK,
        Err(failure) => failure,
    };
    if let Some(error) = error.as_mut() {
        error.code = code;
        error.message_len = copy(message, error.message, error.message_capacity);
        error.place_len = 0;
    }
    code
}

unsafe fn role<'a>(pointer: *mut c_void) -> &'a mut Hello {
    &mut *(pointer as *mut Hello)
}

/// Runs a method; a failure or panic is its answer.
unsafe fn method(call: *const nh_call, body: impl FnOnce() -> Result<(), Failure>) {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Failure(NH_INTERNAL, "the role panicked")));
    if let Err(Failure(code, message)) = outcome {
        fail_call(&*call, code, text(message));
    }
}

unsafe fn reply(call: &nh_call, letter: char, lo: u64, hi: u64) {
    let value = nh_value { letter: letter as u32, reserved: 0, slot: nh_slot { lo, hi } };
    ((*call.answer).reply)((*call.answer).ctx, call.handle, value);
}

unsafe fn reply_text(call: &nh_call, text: &[u8]) {
    reply(call, 's', text.as_ptr() as u64, text.len() as u64);
}

unsafe fn fail_call(call: &nh_call, code: nh_status, message: nh_str) {
    ((*call.answer).fail)((*call.answer).ctx, call.handle, code, message);
}

// Configuration. The host has checked it against the schema and filled in the defaults, and the pattern
// keeps quotes and backslashes out, so finding a key and reading up to the next quote is enough.

const SCHEMA: &str = r#"{"type":"object","properties":{
"greeting":{"type":"string","description":"How to greet.","minLength":1,"maxLength":64,
"pattern":"^[^\"\\\\]*$","default":"Hello"},
"tick_seconds":{"type":"integer","description":"Seconds between two ticks.",
"minimum":1,"maximum":3600,"default":10}},"additionalProperties":false}"#;

/// What follows `"key":`, up to one of `end`.
fn value_of<'a>(config: &'a str, key: &str, end: &[char]) -> &'a str {
    for (place, found) in config.match_indices(key) {
        if let Some(value) = config[place + found.len()..].trim_start().strip_prefix(':') {
            let value = value.trim_start();
            let value = value.strip_prefix('"').unwrap_or(value);
            return value.split(end).next().unwrap_or("");
        }
    }
    ""
}

// Life

unsafe extern "C" fn create(
    host: *const nh_host, config: nh_json, out: *mut *mut c_void, error: *mut nh_error,
) -> nh_status {
    guarded(error, || {
        let config = std::str::from_utf8(borrowed(config.ptr, config.len))
            .map_err(|_| Failure(NH_INVALID_ARGUMENT, "the configuration is not UTF-8"))?;
        let tick_seconds = value_of(config, "\"tick_seconds\"", &[',', '}', ' ', '\n'])
            .parse()
            .map_err(|_| Failure(NH_INVALID_ARGUMENT, "tick_seconds is no whole number"))?;
        let hello = Hello {
            host,
            services: None,
            greeting: value_of(config, "\"greeting\"", &['"']).as_bytes().to_vec(),
            tick_seconds,
            tick_timer: 0,
            tick_counter: 0,
            ticks: 0,
            waiting: Vec::new(),
        };
        *out = Box::into_raw(Box::new(hello)) as *mut c_void;
        Ok(())
    })
}

unsafe fn service<Table>(host: *const nh_host, id: &str, layout: u64) -> Result<*const Table, Failure> {
    let table = ((*host).get_service)(host, text(id), layout) as *const Table;
    if table.is_null() { Err(Failure(NH_UNAVAILABLE, "the host gives no timer, bus or metrics now")) } else { Ok(table) }
}

unsafe extern "C" fn start(self_: *mut c_void, error: *mut nh_error) -> nh_status {
    guarded(error, || {
        let hello = role(self_);
        let timers: *const nh_timer_service = service(hello.host, NH_TIMER_ID, NH_TIMER_LAYOUT)?;
        let bus: *const nh_bus_service = service(hello.host, NH_BUS_ID, NH_BUS_LAYOUT)?;
        let metrics: *const nh_metrics_service = service(hello.host, NH_METRICS_ID, NH_METRICS_LAYOUT)?;
        let no_labels = nh_pair_list { items: std::ptr::null(), count: 0 };
        let help = text("How often the role ticked.");
        hello.tick_counter = ((*metrics).counter)((*metrics).ctx, text("hello_ticks_total"), help, no_labels);

        let period = hello.tick_seconds * 1_000_000_000;
        hello.tick_timer = ((*timers).every)((*timers).ctx, period, period, 0);
        if hello.tick_timer == 0 {
            return Err(Failure(NH_RESOURCE_EXHAUSTED, "the host sets no more timers"));
        }
        if ((*bus).subscribe)((*bus).ctx, text("hello.ping"), 0) == 0 {
            return Err(Failure(NH_RESOURCE_EXHAUSTED, "no subscription to hello.ping"));
        }
        hello.services = Some(Services { timers, bus, metrics });
        Ok(())
    })
}

unsafe extern "C" fn destroy(self_: *mut c_void) {
    guarded(std::ptr::null_mut(), || {
        drop(Box::from_raw(self_ as *mut Hello));
        Ok(())
    });
}

// Methods

unsafe extern "C" fn add(_: *mut c_void, call: *const nh_call, a: i64, b: i64) {
    method(call, || {
        let sum = a.checked_add(b).ok_or(Failure(NH_OUT_OF_RANGE, "the sum does not fit 64 bits; take smaller numbers"))?;
        reply(&*call, 'l', sum as u64, 0);
        Ok(())
    });
}

unsafe extern "C" fn greet(self_: *mut c_void, call: *const nh_call, who: nh_str) {
    method(call, || {
        let greeting = [&role(self_).greeting[..], b", ", borrowed(who.ptr, who.len), b"!"].concat();
        reply_text(&*call, &greeting);
        Ok(())
    });
}

unsafe extern "C" fn later(self_: *mut c_void, call: *const nh_call, what: nh_str, milliseconds: i64) {
    method(call, || {
        let hello = role(self_);
        if !(0..=DAY_MS).contains(&milliseconds) {
            return Err(Failure(NH_INVALID_ARGUMENT, "milliseconds is out of range; wait 0 to 86400000"));
        }
        let services = hello.services.as_ref().ok_or(Failure(NH_INTERNAL, "the role has not started"))?;
        let timer = ((*services.timers).once)((*services.timers).ctx, milliseconds * 1_000_000, 0);
        if timer == 0 {
            return Err(Failure(NH_RESOURCE_EXHAUSTED, "too many calls wait already; try again later"));
        }
        // The copy of the call answers when the timer runs out.
        hello.waiting.push(Waiting { call: *call, timer, text: borrowed(what.ptr, what.len).to_vec() });
        Ok(())
    });
}

unsafe extern "C" fn fail(_: *mut c_void, call: *const nh_call, what: nh_str) {
    method(call, || {
        fail_call(&*call, NH_FAILED_PRECONDITION, what);
        Ok(())
    });
}

// Callbacks

/// Handles tell whose timer it is: a token would not, since a timer may be older than this code.
unsafe extern "C" fn on_timer(self_: *mut c_void, timer: nh_handle, _token: u64) {
    guarded(std::ptr::null_mut(), || {
        let hello = role(self_);
        if timer == hello.tick_timer {
            tick(hello);
        } else if let Some(place) = hello.waiting.iter().position(|waiting| waiting.timer == timer) {
            let done = hello.waiting.swap_remove(place);
            reply_text(&done.call, &done.text);
        }
        Ok(())
    });
}

unsafe fn tick(hello: &mut Hello) {
    hello.ticks = hello.ticks.wrapping_add(1);
    if let Some(services) = &hello.services {
        if hello.tick_counter != 0 {
            ((*services.metrics).add)((*services.metrics).ctx, hello.tick_counter, 1.0);
        }
        let number = hello.ticks.to_string();
        ((*services.bus).publish)((*services.bus).ctx, text("hello-rust.tick"), bytes(number.as_bytes()));
    }
}

unsafe extern "C" fn on_event(self_: *mut c_void, event: *const nh_event) {
    guarded(std::ptr::null_mut(), || {
        let (hello, event) = (role(self_), &*event);
        if event.kind == NH_EVENT_CANCELLED {
            forget(hello, event.handle);
        } else if event.kind == NH_EVENT_TOPIC {
            let ping = String::from_utf8_lossy(borrowed(event.payload.ptr, event.payload.len));
            let line = format!("ping: {}", ping);
            let no_fields = nh_json { ptr: std::ptr::null(), len: 0 };
            ((*hello.host).log)(hello.host, NH_LOG_INFO, text(&line), no_fields);
        }
        Ok(())
    });
}

unsafe fn forget(hello: &mut Hello, call: nh_handle) {
    if let Some(place) = hello.waiting.iter().position(|waiting| waiting.call.handle == call) {
        let gone = hello.waiting.swap_remove(place);
        if let Some(services) = &hello.services {
            ((*services.timers).cancel)((*services.timers).ctx, gone.timer);
        }
    }
}

// State: the count of ticks in decimal.

unsafe extern "C" fn save(self_: *mut c_void, state: *const nh_sink, error: *mut nh_error) -> nh_status {
    guarded(error, || {
        let number = role(self_).ticks.to_string();
        match ((*state).write)((*state).ctx, bytes(number.as_bytes())) {
            NH_OK => Ok(()),
            status => Err(Failure(status, "the host did not take the state")),
        }
    })
}

unsafe extern "C" fn load(self_: *mut c_void, version: u32, state: nh_bytes, error: *mut nh_error) -> nh_status {
    guarded(error, || {
        let number = std::str::from_utf8(borrowed(state.ptr, state.len)).ok().and_then(|digits| digits.parse().ok());
        match (version, number) {
            (STATE_VERSION, Some(ticks)) => role(self_).ticks = ticks,
            _ => return Err(Failure(NH_INVALID_ARGUMENT, "the state is no count of ticks of version 1")),
        }
        Ok(())
    })
}

unsafe extern "C" fn health(_: *mut c_void, _reason: *const nh_sink) -> u32 {
    NH_HEALTH_OK
}

// What the host gets

/// The tables hold pointers, which Rust keeps from statics unless told that nobody changes what they point to.
struct Fixed<T>(T);
unsafe impl<T> Sync for Fixed<T> {}

type Add = unsafe extern "C" fn(*mut c_void, *const nh_call, i64, i64);
type Text = unsafe extern "C" fn(*mut c_void, *const nh_call, nh_str);
type TextAndNumber = unsafe extern "C" fn(*mut c_void, *const nh_call, nh_str, i64);

/// A function of any signature as the one type that the table holds.
union Function {
    add: Add,
    text: Text,
    text_and_number: TextAndNumber,
    any: nh_function,
}

const fn described(
    name: &str, doc: &str, signature: &str, parameters: &str, function: Function, flags: u32,
) -> nh_method {
    nh_method {
        name: text(name),
        doc: text(doc),
        signature: text(signature),
        parameters: text(parameters),
        function: unsafe { function.any },
        convention: NH_NATIVE,
        flags,
    }
}

const fn need(id: &str, layout: u64) -> nh_need {
    nh_need { id: text(id), layout, required: 1, reserved: 0 }
}

static METHODS: Fixed<[nh_method; 4]> = Fixed([
    described("add", "The sum of two numbers.", "l(ll)", "a,b", Function { add }, NH_METHOD_IDEMPOTENT),
    described("greet", "A greeting.", "s(s)", "who", Function { text: greet }, NH_METHOD_IDEMPOTENT),
    described(
        "later", "The text, after a while.", "s(sl)", "text,milliseconds", Function { text_and_number: later }, 0,
    ),
    described("fail", "Fails, with the text as the reason.", "v(s)", "text", Function { text: fail }, 0),
]);

static TOPICS: Fixed<[nh_topic; 1]> =
    Fixed([nh_topic { name: text("hello-rust.tick"), doc: text("Every tick, with its number.") }]);

static NEEDS: Fixed<[nh_need; 3]> = Fixed([
    need(NH_TIMER_ID, NH_TIMER_LAYOUT),
    need(NH_BUS_ID, NH_BUS_LAYOUT),
    need(NH_METRICS_ID, NH_METRICS_LAYOUT),
]);

static PLUGIN: Fixed<nh_plugin> = Fixed(nh_plugin {
    struct_size: std::mem::size_of::<nh_plugin>() as u32,
    revision: NH_ABI_REVISION,
    abi_major: NH_ABI_MAJOR,
    threading: NH_THREADING_SERIAL,
    state_version: STATE_VERSION,
    reserved: 0,
    id: text("hello-rust"),
    version: text("1.0.0"),
    description: text("Greets, adds and ticks: the first role, in Rust."),
    config_schema: nh_json { ptr: SCHEMA.as_ptr(), len: SCHEMA.len() as u64 },
    methods: nh_method_list { items: &METHODS.0 as *const nh_method, count: 4 },
    topics: nh_topic_list { items: &TOPICS.0 as *const nh_topic, count: 1 },
    needs: nh_need_list { items: &NEEDS.0 as *const nh_need, count: 3 },
    provides: nh_str_list { items: std::ptr::null(), count: 0 },
    create,
    start,
    drain: None,
    stop: None,
    destroy,
    on_timer: Some(on_timer),
    on_message: None,
    on_http: None,
    on_rpc: None,
    on_reply: None,
    on_event: Some(on_event),
    save: Some(save),
    load: Some(load),
    health: Some(health),
    reconfigure: None,
});

#[no_mangle]
pub unsafe extern "C" fn nh_plugin_query(
    offer: *const nh_host_offer, plugin: *mut *const nh_plugin, error: *mut nh_error,
) -> nh_status {
    guarded(error, || {
        let offer = &*offer;
        let known = offer.abi_major_least <= NH_ABI_MAJOR && NH_ABI_MAJOR <= offer.abi_major_most;
        if !known || offer.layout != NH_BASE_LAYOUT {
            return Err(Failure(
                NH_FAILED_PRECONDITION,
                "the plugin is built for ABI major 1 with another layout than this host's; build it against this host's SDK",
            ));
        }
        *plugin = &PLUGIN.0;
        Ok(())
    })
}
