//! sample-role counts, and says so from time to time. The C headers of the SDK are the manual of everything that
//! begins with nh_.
//!
//! No panic may cross into the host, so every function that the host calls goes through `guarded`.
mod nodehost;

#[cfg(test)]
mod fake_host;
#[cfg(test)]
mod tests;

use nodehost::*;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};

const ID: &str = "sample-role";
/// Count it up when `save` writes something that an older `load` cannot read.
const STATE_VERSION: u32 = 1;

struct SampleRole {
    host: *const nh_host,
    what: String,
    report_seconds: i64,
    sum: i64,
}

/// Why something failed; the text ends in what to do about it.
struct Failure(nh_status, &'static str);

/// The host checks the configuration against this schema and fills in the defaults before `create`. The pattern keeps
/// quotes and backslashes out, so finding a key and reading up to the next quote is enough.
const SCHEMA: &str = r#"{"type":"object","properties":{
"what":{"type":"string","description":"What is counted.","minLength":1,"maxLength":40,
"pattern":"^[^\"\\\\]*$","default":"visits"},
"report_seconds":{"type":"integer","description":"Seconds between two reports.",
"minimum":1,"maximum":3600,"default":5}},"additionalProperties":false}"#;

impl SampleRole {
    fn new(host: *const nh_host, config: &str) -> Result<Self, Failure> {
        let report_seconds = value_of(config, "\"report_seconds\"", &[',', '}', ' ', '\n']).parse();
        Ok(SampleRole {
            host,
            what: value_of(config, "\"what\"", &['"']).to_string(),
            report_seconds: report_seconds
                .map_err(|_| Failure(NH_INVALID_ARGUMENT, "report_seconds is no whole number"))?,
            sum: 0,
        })
    }

    unsafe fn start(&mut self) -> Result<(), Failure> {
        let timers = ((*self.host).get_service)(self.host, text(NH_TIMER_ID), NH_TIMER_LAYOUT);
        let timers = (timers as *const nh_timer_service).as_ref();
        let period = self.report_seconds * 1_000_000_000;
        match timers.map(|timers| (timers.every)(timers.ctx, period, period, 0)) {
            None | Some(0) => Err(Failure(NH_UNAVAILABLE, "the host sets no timer now")),
            Some(_) => Ok(()),
        }
    }

    unsafe fn report(&self) {
        let line = format!("{} {}", self.sum, self.what);
        let no_fields = nh_json { ptr: std::ptr::null(), len: 0 };
        ((*self.host).log)(self.host, NH_LOG_INFO, text(&line), no_fields);
    }

    fn add(&mut self, amount: i64) -> Result<i64, Failure> {
        if amount < 1 {
            return Err(Failure(NH_INVALID_ARGUMENT, "amount is too small; count upwards, from 1"));
        }
        let sum = self.sum.checked_add(amount).ok_or(Failure(NH_OUT_OF_RANGE, "the sum does not fit 64 bits"))?;
        self.sum = sum;
        Ok(sum)
    }

    /// What the next build of the role takes over.
    fn save(&self) -> String {
        self.sum.to_string()
    }

    fn load(&mut self, version: u32, state: &[u8]) -> Result<(), Failure> {
        let number = std::str::from_utf8(state).ok().and_then(|digits| digits.parse().ok());
        match (version, number) {
            (STATE_VERSION, Some(sum)) => self.sum = sum,
            _ => return Err(Failure(NH_INVALID_ARGUMENT, "the state is no sum of version 1")),
        }
        Ok(())
    }
}

/// What follows `"key":`, up to one of `end`.
fn value_of<'a>(config: &'a str, key: &str, end: &[char]) -> &'a str {
    for (place, found) in config.match_indices(key) {
        if let Some(value) = config[place + found.len()..].trim_start().strip_prefix(':') {
            let value = value.trim_start();
            return value.strip_prefix('"').unwrap_or(value).split(end).next().unwrap_or("");
        }
    }
    ""
}

// The edge to the host: C on the other side

const fn text(text: &str) -> nh_str {
    nh_str { ptr: text.as_ptr(), len: text.len() as u64 }
}

/// What C lends for the length of a call.
unsafe fn borrowed<'a>(ptr: *const u8, len: u64) -> &'a [u8] {
    if ptr.is_null() {
        &[]
    } else {
        std::slice::from_raw_parts(ptr, len as usize)
    }
}

fn caught<T>(body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Failure(NH_INTERNAL, "the role panicked")))
}

/// Runs a body; a failure or panic goes to the host as status and words.
unsafe fn guarded(error: *mut nh_error, body: impl FnOnce() -> Result<(), Failure>) -> nh_status {
    let Failure(code, message) = match caught(body) {
        Ok(()) => return NH_OK,
        Err(failure) => failure,
    };
    if let Some(error) = error.as_mut() {
        error.code = code;
        error.place_len = 0;
        error.message_len = 0;
        if !error.message.is_null() {
            error.message_len = error.message_capacity.min(message.len() as u64);
            std::ptr::copy_nonoverlapping(message.as_ptr(), error.message, error.message_len as usize);
        }
    }
    code
}

unsafe fn role<'a>(pointer: *mut c_void) -> &'a mut SampleRole {
    &mut *(pointer as *mut SampleRole)
}

unsafe extern "C" fn create(
    host: *const nh_host, config: nh_json, out: *mut *mut c_void, error: *mut nh_error,
) -> nh_status {
    guarded(error, || {
        let config = std::str::from_utf8(borrowed(config.ptr, config.len))
            .map_err(|_| Failure(NH_INVALID_ARGUMENT, "the configuration is not UTF-8"))?;
        *out = Box::into_raw(Box::new(SampleRole::new(host, config)?)) as *mut c_void;
        Ok(())
    })
}

unsafe extern "C" fn start(this: *mut c_void, error: *mut nh_error) -> nh_status {
    guarded(error, || role(this).start())
}

unsafe extern "C" fn destroy(this: *mut c_void) {
    guarded(std::ptr::null_mut(), || {
        drop(Box::from_raw(this as *mut SampleRole));
        Ok(())
    });
}

unsafe extern "C" fn on_timer(this: *mut c_void, _timer: nh_handle, _token: u64) {
    guarded(std::ptr::null_mut(), || {
        role(this).report();
        Ok(())
    });
}

unsafe extern "C" fn save(this: *mut c_void, state: *const nh_sink, error: *mut nh_error) -> nh_status {
    guarded(error, || {
        let saved = role(this).save();
        let piece = nh_bytes { ptr: saved.as_ptr(), len: saved.len() as u64 };
        match ((*state).write)((*state).ctx, piece) {
            NH_OK => Ok(()),
            status => Err(Failure(status, "the host did not take the state")),
        }
    })
}

unsafe extern "C" fn load(this: *mut c_void, version: u32, state: nh_bytes, error: *mut nh_error) -> nh_status {
    guarded(error, || role(this).load(version, borrowed(state.ptr, state.len)))
}

unsafe extern "C" fn add(this: *mut c_void, call: *const nh_call, amount: i64) {
    let (call, answer) = (&*call, &*(*call).answer);
    match caught(|| role(this).add(amount)) {
        Ok(sum) => {
            let value = nh_value { letter: 'l' as u32, reserved: 0, slot: nh_slot { lo: sum as u64, hi: 0 } };
            (answer.reply)(answer.ctx, call.handle, value)
        }
        Err(Failure(code, message)) => (answer.fail)(answer.ctx, call.handle, code, text(message)),
    };
}

// What the host gets

/// What the host reads before any code runs. No flag: whoever adds a thread or a thread-local to a Rust library must
/// not have it unmapped.
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
    plugin_id: note_id(ID.as_bytes()),
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

/// The tables hold pointers, which Rust keeps from statics unless told that nobody changes what they point to.
struct Fixed<T>(T);
unsafe impl<T> Sync for Fixed<T> {}

type Add = unsafe extern "C" fn(*mut c_void, *const nh_call, i64);

/// A function of any signature as the one type that the table holds.
union Function {
    add: Add,
    any: nh_function,
}

static METHODS: Fixed<[nh_method; 1]> = Fixed([nh_method {
    name: text("add"),
    doc: text("Counts, and answers with the sum."),
    signature: text("l(l)"),
    parameters: text("amount"),
    function: unsafe { Function { add }.any },
    convention: NH_NATIVE,
    flags: 0,
}]);

static NEEDS: Fixed<[nh_need; 1]> =
    Fixed([nh_need { id: text(NH_TIMER_ID), layout: NH_TIMER_LAYOUT, required: 1, reserved: 0 }]);

static PLUGIN: Fixed<nh_plugin> = Fixed(nh_plugin {
    struct_size: std::mem::size_of::<nh_plugin>() as u32,
    revision: NH_ABI_REVISION,
    abi_major: NH_ABI_MAJOR,
    threading: NH_THREADING_SERIAL,
    state_version: STATE_VERSION,
    reserved: 0,
    id: text(ID),
    version: text("0.1.0"),
    description: text("Counts, and reports from time to time."),
    config_schema: nh_json { ptr: SCHEMA.as_ptr(), len: SCHEMA.len() as u64 },
    methods: nh_method_list { items: &METHODS.0 as *const nh_method, count: 1 },
    topics: nh_topic_list { items: std::ptr::null(), count: 0 },
    needs: nh_need_list { items: &NEEDS.0 as *const nh_need, count: 1 },
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
    on_event: None,
    save: Some(save),
    load: Some(load),
    health: None,
    reconfigure: None,
});

/// # Safety
/// Called by the host, with what the headers promise.
#[no_mangle]
pub unsafe extern "C" fn nh_plugin_query(
    offer: *const nh_host_offer, plugin: *mut *const nh_plugin, error: *mut nh_error,
) -> nh_status {
    guarded(error, || {
        let offer = &*offer;
        let known = offer.abi_major_least <= NH_ABI_MAJOR && NH_ABI_MAJOR <= offer.abi_major_most;
        if !known || offer.layout != NH_BASE_LAYOUT {
            return Err(Failure(NH_FAILED_PRECONDITION, "another ABI than this host's; build it against its SDK"));
        }
        *plugin = &PLUGIN.0;
        Ok(())
    })
}
