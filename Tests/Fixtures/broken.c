/* One small role that can be broken in many ways: -DCASE_... picks one. Without any it is sound. */
#include <nodehost.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef NOTE_ABI
#define NOTE_ABI NH_ABI_MAJOR
#endif
#ifndef NOTE_LAYOUT
#define NOTE_LAYOUT NH_BASE_LAYOUT
#endif
#ifndef NOTE_REVISION_LEAST
#define NOTE_REVISION_LEAST 1
#endif
#ifndef NOTE_ID
#define NOTE_ID "broken"
#endif
#ifndef PLUGIN_ID
#define PLUGIN_ID "broken"
#endif
#ifndef SCHEMA
#define SCHEMA ""
#endif
#ifndef START_FAILURE
#define START_FAILURE "the database is away"
#endif
#ifndef STRUCT_SIZE
#define STRUCT_SIZE sizeof(nh_plugin)
#endif

#ifndef CASE_NO_NOTE
__attribute__((section(".note.nodehost"), used, aligned(4))) static const nh_note note = {
    9, sizeof(nh_note) - 24, NH_NOTE_TYPE, {'N', 'O', 'D', 'E', 'H', 'O', 'S', 'T', 0, 0, 0, 0},
    NOTE_ABI, NOTE_REVISION_LEAST, NH_ABI_REVISION, NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD, 0, NOTE_LAYOUT, NOTE_ID};
#endif

#ifdef CASE_SLOW_CONSTRUCTOR
__attribute__((constructor)) static void slow(void) { sleep(10); }
#endif
#ifdef CASE_CRASHING_CONSTRUCTOR
__attribute__((constructor)) static void crash(void) { abort(); }
#endif
#ifdef CASE_UNDEFINED_SYMBOL
extern int nobody_defines_this(void);
int (*volatile undefined)(void) = nobody_defines_this;
#endif

typedef struct role {
  const nh_host *host;
  const nh_timer_service *timer;
} role;

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
#ifdef CASE_CREATE_FAILS
  return nh_fail(error, NH_INVALID_ARGUMENT, nh_cstr("/colour"), nh_cstr("no such colour; choose red"));
#endif
#ifdef CASE_CREATE_CRASHES
  abort();
#endif
#ifdef CASE_CREATE_HANGS
  sleep(10);
#endif
  (void)error;
  role *self = calloc(1, sizeof *self);
  self->host = host;
  *out = self;
  return NH_OK;
}

static nh_status start(void *context, nh_error *error) {
  role *self = context;
#ifdef CASE_START_FAILS
  return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr(START_FAILURE));
#endif
#ifdef START_NEEDS_FILE
  if (access(START_NEEDS_FILE, F_OK) != 0)
    return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("the file is not there yet"));
#endif
#ifdef START_TAKES_MS
  usleep(START_TAKES_MS * 1000);
#endif
#ifdef CASE_START_HANGS
  for (;;) sleep(60);
#endif
  (void)error;
  self->timer = self->host->get_service(self->host, nh_cstr(NH_TIMER_ID), NH_TIMER_LAYOUT);
#ifdef CASE_FAULTS_SOON
  self->timer->once(self->timer->ctx, 1000000, 7);
#endif
  return NH_OK;
}

static void on_timer(void *context, nh_handle timer, uint64_t token) {
  role *self = context;
  (void)timer;
  if (token == 7) self->host->fail(self->host, NH_DATA_LOSS, nh_cstr("the disk is gone"));
}

#if defined CASE_RECONFIGURES || defined CASE_REFUSES_CHANGE
static nh_status reconfigure(void *context, nh_json config, nh_error *error) {
  (void)context;
  (void)config;
#ifdef CASE_REFUSES_CHANGE
  return nh_fail(error, NH_INVALID_ARGUMENT, nh_cstr("/colour"), nh_cstr("it is painted already"));
#endif
  (void)error;
  return NH_OK;
}
#endif

static void destroy(void *context) { free(context); }

/* Methods that break the contract, or take long. */
static void stale(void *context, const nh_call *call) {
  role *self = context;
  nh_reply_int(call, self->timer->cancel(self->timer->ctx, 0x700000007));
}
static void twice(void *context, const nh_call *call) {
  (void)context;
  nh_reply_int(call, 1);
  nh_reply_int(call, 2);
}
static void wrong_type(void *context, const nh_call *call) {
  (void)context;
  nh_reply_text(call, nh_cstr("not a number"));
}
static void forget(void *context, const nh_call *call) {
  (void)context;
  (void)call;
}
static void nap(void *context, const nh_call *call, int64_t milliseconds) {
  (void)context;
  usleep((useconds_t)milliseconds * 1000);
  nh_reply_nothing(call);
}
static void all(void *context, const nh_call *call, int32_t i, uint32_t I, int64_t l, uint64_t L, double d, int32_t z,
                nh_str s, nh_bytes b, nh_json j) {
  char *text = malloc(s.len + b.len + j.len + 1);
  uint64_t len = 0;
  (void)context;
  if (s.len) memcpy(text + len, s.ptr, s.len);
  len += s.len;
  if (b.len) memcpy(text + len, b.ptr, b.len);
  len += b.len;
  if (j.len) memcpy(text + len, j.ptr, j.len);
  len += j.len;
  if (i == INT32_MIN && I == UINT32_MAX && l == INT64_MIN && L == UINT64_MAX && d == 0.5 && z == 1)
    nh_reply_text(call, nh_text(text, len));
  else
    nh_reply_error(call, NH_OUT_OF_RANGE, nh_cstr("a number arrived changed"));
  free(text);
}

#define METHOD(name, signature, parameters, function)                                              \
  {{name, sizeof(name) - 1}, {"", 0}, {signature, sizeof(signature) - 1},                          \
   {parameters, sizeof(parameters) - 1}, (nh_function)function, NH_NATIVE, 0}
static const nh_method methods[] = {
    METHOD("stale", "l()", "", stale),          METHOD("twice", "l()", "", twice),
    METHOD("wrong_type", "l()", "", wrong_type), METHOD("forget", "v()", "", forget),
    METHOD("nap", "v(l)", "milliseconds", nap), METHOD("all", "s(iIlLdzsbj)", "i,I,l,L,d,z,s,b,j", all),
#ifdef CASE_BAD_SIGNATURE
    METHOD("odd", "q(l)", "", forget),
#endif
#ifdef CASE_TWO_METHODS
    METHOD("nap", "v()", "", forget),
#endif
};

static const nh_need needs[] = {
#ifdef CASE_MISSING_SERVICE
    {{NH_CLUSTER_ID, sizeof(NH_CLUSTER_ID) - 1}, NH_CLUSTER_LAYOUT, 1, 0},
#endif
    {{NH_TIMER_ID, sizeof(NH_TIMER_ID) - 1}, NH_TIMER_LAYOUT, 1, 0},
};

static const nh_plugin plugin = {
    .struct_size = STRUCT_SIZE,
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
#ifdef CASE_NULL_TEXT
    .id = {NULL, 6},
#else
    .id = {PLUGIN_ID, sizeof(PLUGIN_ID) - 1},
#endif
#ifdef CASE_BAD_VERSION
    .version = {"one", 3},
#else
    .version = {"1.0.0", 5},
#endif
    .config_schema = {SCHEMA, sizeof(SCHEMA) - 1},
    .methods = {methods, sizeof methods / sizeof *methods},
    .needs = {needs, sizeof needs / sizeof *needs},
#ifndef CASE_NO_CREATE
    .create = create,
#endif
    .start = start,
    .destroy = destroy,
    .on_timer = on_timer,
#if defined CASE_RECONFIGURES || defined CASE_REFUSES_CHANGE
    .reconfigure = reconfigure,
#endif
};

/* A plugin that exports nothing has the function under another, hidden name. */
#ifdef CASE_NO_ENTRY
__attribute__((visibility("hidden"), used)) nh_status hidden_query(
#else
NH_EXPORT nh_status nh_plugin_query(
#endif
    const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
#ifdef CASE_QUERY_REFUSES
  (void)offer;
  return nh_fail(error, NH_FAILED_PRECONDITION, nh_cstr(""), nh_cstr("only on Sundays"));
#endif
#ifdef CASE_QUERY_GIVES_NOTHING
  (void)offer;
  (void)error;
  return NH_OK;
#endif
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}
