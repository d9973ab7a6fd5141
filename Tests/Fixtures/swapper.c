/*
 * A role to be swapped: it counts, answers later, keeps an alarm, and hands its state on. -D says which build it is,
 * and at which step of its life it goes wrong, and how:
 *
 *   -DBUILD=2                      the build's number, and the last of its version's three
 *   -DSTATE_VERSION=1  -DSTATE_BYTES=0   what it saves, and how much lies behind it
 *   -DAT='"start"'                 query, create, load, start, save, stop or destroy
 *   -DDOES=CRASH                   or REFUSE, or HANG for ever
 *   -DIN_TRIAL=0                   in the node itself only; 1: in the trial process only; 2, as without it: in both
 *   -DMARK='"/path"'               makes this file then, and goes wrong only if it is not there yet
 *   -DSKIPS=1                      lets the step pass this often before; each time leaves a file, the mark and a number
 *   -DFAULTS_AFTER_MS=5            gives up so long after it has started
 *   -DCRASHES_AFTER_MS=5           takes the node along so long after it has started
 *   -DSICK_AFTER_MS=5              says so long after it has started that its health is failed
 */
#include <fcntl.h>
#include <nodehost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef BUILD
#define BUILD 1
#endif
#ifndef STATE_VERSION
#define STATE_VERSION 1
#endif
#ifndef STATE_BYTES
#define STATE_BYTES 0
#endif
#define CRASH 1
#define REFUSE 2
#define HANG 3
#ifndef AT
#define AT ""
#endif
#ifndef DOES
#define DOES 0
#endif
#ifndef IN_TRIAL
#define IN_TRIAL 2
#endif
#ifndef MARK
#define MARK ""
#endif
#ifndef SKIPS
#define SKIPS 0
#endif
#define TEXT(number) #number
#define VERSION(number) "1.0." TEXT(number)
#define SECOND 1000000000ll

NH_PLUGIN_NOTE("swapper", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

typedef struct state {
  int64_t count;
  int64_t rung;
  uint64_t check;
} state;

typedef struct later {
  nh_call call;
  uint64_t token;
  int64_t adds;
  struct later *next;
} later;

typedef struct role {
  const nh_host *host;
  const nh_timer_service *timer;
  nh_handle alarm;
  int64_t started;
  state state;
  later *waiting;
  uint64_t tokens;
} role;

enum { ALARM = 1, FAULT = 2, CRASH_LATER = 3, FIRST_LATER = 100 };

static uint64_t check_of(const state *state) {
  return ((uint64_t)state->count * 2654435761u) ^ (uint64_t)state->rung ^ 0x5ca1ab1e;
}

static int in_trial(void) {
  char words[256] = "";
  int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t count = read(file, words, sizeof words - 1);
  close(file);
  return count > 8 && memcmp(words + count - 8, "inspect", 7) == 0;
}

/* Makes the first mark that is not there yet; false if the step is to pass. */
static int marks(void) {
  if (!*MARK) return 1;
  for (int pass = 0; pass <= SKIPS; pass++) {
    char path[512];
    if (pass == SKIPS) snprintf(path, sizeof path, "%s", MARK);
    else snprintf(path, sizeof path, "%s.%d", MARK, pass);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) continue;
    close(file);
    return pass == SKIPS;
  }
  return 0;
}

/* Whether the step is to be refused. */
static int goes_wrong(const char *step) {
  if (strcmp(step, AT) != 0 || (IN_TRIAL != 2 && IN_TRIAL != in_trial()) || !marks()) return 0;
  if (DOES == CRASH) abort();
  while (DOES == HANG) sleep(60);
  return DOES == REFUSE;
}

static nh_status refuse(nh_error *error, const char *step) {
  return nh_fail(error, NH_FAILED_PRECONDITION, nh_cstr(""), nh_text(step, strlen(step)));
}

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
  if (goes_wrong("create")) return refuse(error, "not created today");
  role *self = calloc(1, sizeof *self);
  self->host = host;
  self->tokens = FIRST_LATER;
  *out = self;
  return NH_OK;
}

static nh_status load(void *context, uint32_t version, nh_bytes bytes, nh_error *error) {
  role *self = context;
  if (goes_wrong("load")) return refuse(error, "not loaded today");
  if (version > STATE_VERSION) return refuse(error, "a state of the future");
  if (bytes.len < sizeof(state)) return refuse(error, "a state cut short");
  memcpy(&self->state, bytes.ptr, sizeof(state));
  if (self->state.check != check_of(&self->state)) return refuse(error, "a damaged state");
  for (uint64_t place = sizeof(state); place < bytes.len; place++)
    if (bytes.ptr[place] != (uint8_t)place) return refuse(error, "a damaged state");
  return NH_OK;
}

static nh_status save(void *context, const nh_sink *sink, nh_error *error) {
  role *self = context;
  if (goes_wrong("save")) return refuse(error, "not saved today");
  const uint64_t size = sizeof(state) + STATE_BYTES;
  uint8_t *bytes = malloc(size);
  self->state.check = check_of(&self->state);
  memcpy(bytes, &self->state, sizeof(state));
  for (uint64_t place = sizeof(state); place < size; place++) bytes[place] = (uint8_t)place;
  nh_status status = sink->write(sink->ctx, (nh_bytes){bytes, size});
  free(bytes);
  return status;
}

static nh_status start(void *context, nh_error *error) {
  role *self = context;
  if (goes_wrong("start")) return refuse(error, "not started today");
  self->timer = self->host->get_service(self->host, nh_cstr(NH_TIMER_ID), NH_TIMER_LAYOUT);
  self->started = self->host->now(self->host, NH_CLOCK_MONOTONIC);
  self->alarm = self->timer->once(self->timer->ctx, 600 * SECOND, ALARM);
#ifdef FAULTS_AFTER_MS
  self->timer->once(self->timer->ctx, FAULTS_AFTER_MS * (SECOND / 1000), FAULT);
#endif
#ifdef CRASHES_AFTER_MS
  self->timer->once(self->timer->ctx, CRASHES_AFTER_MS * (SECOND / 1000), CRASH_LATER);
#endif
  return NH_OK;
}

static void on_timer(void *context, nh_handle timer, uint64_t token) {
  role *self = context;
  (void)timer;
  if (token == ALARM) self->state.rung++;
  if (token == FAULT) self->host->fail(self->host, NH_DATA_LOSS, nh_cstr("the disk is gone"));
  if (token == CRASH_LATER) abort();
  for (later **place = &self->waiting; *place; place = &(*place)->next) {
    later *found = *place;
    if (found->token != token) continue;
    *place = found->next;
    self->state.count += found->adds;
    nh_reply_int(&found->call, self->state.count);
    free(found);
    return;
  }
}

static void on_event(void *context, const nh_event *event) {
  role *self = context;
  if (event->kind != NH_EVENT_CANCELLED) return;
  for (later **place = &self->waiting; *place; place = &(*place)->next) {
    later *found = *place;
    if (found->call.handle != event->handle) continue;
    *place = found->next;
    free(found);
    return;
  }
}

static uint32_t health(void *context, const nh_sink *reason) {
  role *self = context;
  (void)self;
  (void)reason;
#ifdef SICK_AFTER_MS
  if (self->host->now(self->host, NH_CLOCK_MONOTONIC) - self->started > SICK_AFTER_MS * (SECOND / 1000)) {
    reason->write(reason->ctx, (nh_bytes){(const uint8_t *)"a fever", 7});
    return NH_HEALTH_FAILED;
  }
#endif
  return NH_HEALTH_OK;
}

static void stop(void *context) {
  (void)context;
  goes_wrong("stop");
}

static void destroy(void *context) {
  role *self = context;
  goes_wrong("destroy");
  while (self && self->waiting) {
    later *next = self->waiting->next;
    free(self->waiting);
    self->waiting = next;
  }
  free(self);
}

/* Methods. */

static void build(void *context, const nh_call *call) {
  (void)context;
  nh_reply_int(call, BUILD);
}
static void count(void *context, const nh_call *call) { nh_reply_int(call, ((role *)context)->state.count); }
static void next(void *context, const nh_call *call) { nh_reply_int(call, ++((role *)context)->state.count); }
static void alarm_ms(void *context, const nh_call *call) {
  role *self = context;
  nh_reply_int(call, self->timer->remaining(self->timer->ctx, self->alarm) / (SECOND / 1000));
}

static void wait_for(role *self, const nh_call *call, int64_t milliseconds, int64_t adds) {
  later *waiting = calloc(1, sizeof *waiting);
  waiting->call = *call;
  waiting->adds = adds;
  waiting->token = self->tokens++;
  waiting->next = self->waiting;
  self->waiting = waiting;
  self->timer->once(self->timer->ctx, milliseconds * (SECOND / 1000), waiting->token);
}
static void next_later(void *context, const nh_call *call, int64_t milliseconds) {
  wait_for(context, call, milliseconds, 1);
}
static void count_later(void *context, const nh_call *call, int64_t milliseconds) {
  wait_for(context, call, milliseconds, 0);
}

#define METHOD(name, signature, parameters, function, flags)                                                           \
  {NH_INIT(name), NH_INIT(""), NH_INIT(signature), NH_INIT(parameters), (nh_function)function, NH_NATIVE, flags}
static const nh_method methods[] = {
    METHOD("build", "l()", "", build, NH_METHOD_IDEMPOTENT),
    METHOD("count", "l()", "", count, NH_METHOD_IDEMPOTENT),
    METHOD("next", "l()", "", next, 0),
    METHOD("alarm_ms", "l()", "", alarm_ms, NH_METHOD_IDEMPOTENT),
    METHOD("next_later", "l(l)", "milliseconds", next_later, 0),
    METHOD("count_later", "l(l)", "milliseconds", count_later, NH_METHOD_IDEMPOTENT),
};

static const nh_need needs[] = {{NH_INIT(NH_TIMER_ID), NH_TIMER_LAYOUT, 1, 0}};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .id = NH_INIT("swapper"),
    .version = {VERSION(BUILD), sizeof(VERSION(BUILD)) - 1},
    .methods = {methods, sizeof methods / sizeof *methods},
    .needs = {needs, sizeof needs / sizeof *needs},
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .on_timer = on_timer,
    .on_event = on_event,
    .health = health,
#ifndef KEEPS_NOTHING
    .state_version = STATE_VERSION,
    .save = save,
    .load = load,
#endif
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  if (goes_wrong("query")) return refuse(error, "not today");
  *out = &plugin;
  return NH_OK;
}
