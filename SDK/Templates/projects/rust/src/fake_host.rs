//! A host for one role, for tests: time stands still until a test moves it, and what the role logs and answers is
//! kept. It has the timer service; give it more as your role needs more.
use crate::nodehost::*;
use std::ffi::c_void;

struct Timer {
    handle: nh_handle,
    due: i64,
    period: i64,
    token: u64,
}

/// The tables point to it, so it stays where it was made.
pub struct FakeHost {
    host: nh_host,
    timers: nh_timer_service,
    answer: nh_answer,
    role: *mut c_void,
    running: Vec<Timer>,
    last_handle: nh_handle,
    now: i64,
    outcome: Option<Result<nh_slot, nh_status>>,
    pub log: Vec<String>,
}

impl FakeHost {
    /// A created role. The configuration must be whole: only a node fills in defaults.
    pub fn new(config: &str) -> Box<FakeHost> {
        let none = std::ptr::null_mut();
        let mut fake = Box::new(FakeHost {
            host: nh_host {
                struct_size: std::mem::size_of::<nh_host>() as u32,
                revision: 1,
                ctx: none,
                role_name: crate::text("role"),
                node_name: crate::text("node"),
                node_id: 1,
                reserved: 0,
                get_service,
                log,
                fail: give_up,
                now,
                check_thread,
            },
            timers: nh_timer_service {
                struct_size: std::mem::size_of::<nh_timer_service>() as u32,
                revision: 1,
                ctx: none,
                once,
                every,
                cancel,
                remaining,
            },
            answer: nh_answer {
                struct_size: std::mem::size_of::<nh_answer>() as u32,
                revision: 1,
                ctx: none,
                reply,
                fail,
            },
            role: none,
            running: Vec::new(),
            last_handle: 0,
            now: 0,
            outcome: None,
            log: Vec::new(),
        });
        let this = &mut *fake as *mut FakeHost;
        fake.host.ctx = this as *mut c_void;
        fake.timers.ctx = this as *mut c_void;
        fake.answer.ctx = this as *mut c_void;
        let config = nh_json { ptr: config.as_ptr(), len: config.len() as u64 };
        let status = unsafe { (plugin().create)(&(*this).host, config, &mut (*this).role, &mut no_words()) };
        assert_eq!(status, NH_OK, "the role is created");
        fake
    }

    pub fn start(&mut self) -> nh_status {
        unsafe { (plugin().start)(self.role, &mut no_words()) }
    }

    /// Calls a method of one number; the answer's value, or the status.
    pub fn call(&mut self, method: &str, argument: i64) -> Result<i64, nh_status> {
        let methods = unsafe { std::slice::from_raw_parts(plugin().methods.items, plugin().methods.count as usize) };
        let method = methods.iter().find(|described| described.name.len == method.len() as u64
            && unsafe { crate::borrowed(described.name.ptr, described.name.len) } == method.as_bytes());
        let call = nh_call { answer: &self.answer, handle: 1, deadline_ns: 0, method: 0, reserved: 0 };
        self.outcome = None;
        unsafe {
            let function: crate::Add = std::mem::transmute(method.expect("there is such a method").function);
            function(self.role, &call, argument);
        }
        self.outcome.take().expect("the method has answered").map(|slot| slot.lo as i64)
    }

    pub fn save(&mut self) -> Vec<u8> {
        let mut state: Vec<u8> = Vec::new();
        let size = std::mem::size_of::<nh_sink>() as u32;
        let sink = nh_sink { struct_size: size, revision: 1, ctx: &mut state as *mut Vec<u8> as *mut c_void, write };
        let save = plugin().save.expect("the role saves");
        assert_eq!(unsafe { save(self.role, &sink, &mut no_words()) }, NH_OK);
        state
    }

    pub fn load(&mut self, version: u32, state: &[u8]) -> nh_status {
        let load = plugin().load.expect("the role loads");
        let bytes = nh_bytes { ptr: state.as_ptr(), len: state.len() as u64 };
        unsafe { load(self.role, version, bytes, &mut no_words()) }
    }

    /// Time moves on, and timers run out in order.
    pub fn advance(&mut self, seconds: i64) {
        let end = self.now + seconds * 1_000_000_000;
        while let Some(place) = self.next_timer(end) {
            let (handle, token) = (self.running[place].handle, self.running[place].token);
            self.now = self.running[place].due;
            if self.running[place].period == 0 {
                self.running.remove(place);
            } else {
                self.running[place].due += self.running[place].period;
            }
            unsafe { plugin().on_timer.expect("the role has timers")(self.role, handle, token) };
        }
        self.now = end;
    }

    fn next_timer(&self, end: i64) -> Option<usize> {
        let due = (0..self.running.len()).filter(|&place| self.running[place].due <= end);
        due.min_by_key(|&place| self.running[place].due)
    }
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        unsafe { (plugin().destroy)(self.role) }
    }
}

/// An error without room for words: the status is enough here.
fn no_words() -> nh_error {
    nh_error {
        struct_size: std::mem::size_of::<nh_error>() as u32,
        revision: 1,
        code: NH_OK,
        reserved: 0,
        message: std::ptr::null_mut(),
        message_capacity: 0,
        message_len: 0,
        place: std::ptr::null_mut(),
        place_capacity: 0,
        place_len: 0,
    }
}

fn plugin() -> &'static nh_plugin {
    &crate::PLUGIN.0
}

// The tables' functions

unsafe fn fake<'a>(ctx: *mut c_void) -> &'a mut FakeHost {
    &mut *(ctx as *mut FakeHost)
}

unsafe extern "C" fn get_service(host: *const nh_host, id: nh_str, layout: u64) -> *mut c_void {
    let known = crate::borrowed(id.ptr, id.len) == NH_TIMER_ID.as_bytes() && layout == NH_TIMER_LAYOUT;
    if known { &fake((*host).ctx).timers as *const nh_timer_service as *mut c_void } else { std::ptr::null_mut() }
}

unsafe extern "C" fn log(host: *const nh_host, _level: u32, message: nh_str, _fields: nh_json) {
    fake((*host).ctx).log.push(String::from_utf8_lossy(crate::borrowed(message.ptr, message.len)).into_owned());
}

unsafe extern "C" fn give_up(host: *const nh_host, code: nh_status, message: nh_str) {
    log(host, NH_LOG_ERROR, message, nh_json { ptr: std::ptr::null(), len: 0 });
    eprintln!("the role gave up with status {}", code);
}

unsafe extern "C" fn now(host: *const nh_host, _clock: u32) -> i64 {
    fake((*host).ctx).now
}

unsafe extern "C" fn check_thread(_host: *const nh_host) -> u32 {
    1
}

unsafe extern "C" fn once(ctx: *mut c_void, delay: i64, token: u64) -> nh_handle {
    every(ctx, delay, 0, token)
}

unsafe extern "C" fn every(ctx: *mut c_void, delay: i64, period: i64, token: u64) -> nh_handle {
    let fake = fake(ctx);
    fake.last_handle += 1;
    fake.running.push(Timer { handle: fake.last_handle, due: fake.now + delay, period, token });
    fake.last_handle
}

unsafe extern "C" fn cancel(ctx: *mut c_void, timer: nh_handle) -> nh_status {
    let running = &mut fake(ctx).running;
    let before = running.len();
    running.retain(|other| other.handle != timer);
    if running.len() < before { NH_OK } else { NH_NOT_FOUND }
}

unsafe extern "C" fn remaining(ctx: *mut c_void, timer: nh_handle) -> i64 {
    let fake = fake(ctx);
    fake.running.iter().find(|other| other.handle == timer).map_or(-1, |other| other.due - fake.now)
}

unsafe extern "C" fn reply(ctx: *mut c_void, _call: nh_handle, value: nh_value) -> nh_status {
    fake(ctx).outcome = Some(Ok(value.slot));
    NH_OK
}

unsafe extern "C" fn fail(ctx: *mut c_void, _call: nh_handle, code: nh_status, _message: nh_str) -> nh_status {
    fake(ctx).outcome = Some(Err(code));
    NH_OK
}

unsafe extern "C" fn write(ctx: *mut c_void, piece: nh_bytes) -> nh_status {
    (*(ctx as *mut Vec<u8>)).extend_from_slice(crate::borrowed(piece.ptr, piece.len));
    NH_OK
}
