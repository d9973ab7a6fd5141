/* A role that keeps every rule of the ABI, and breaks the one that -DCASE_... names. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <nodehost.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SCHEMA
#define SCHEMA                                                                                                         \
  "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"                                               \
  "\"level\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":10}}}"
#endif

#ifndef CASE_NO_NOTE
NH_PLUGIN_NOTE("checked", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);
#endif

/* The file */

#ifdef CASE_SECOND_EXPORT
NH_EXPORT int second_export(void) { return 2; }
#endif
#ifdef CASE_UNDEFINED_SYMBOL
extern int nobody_defines_this(void);
int (*volatile undefined)(void) = nobody_defines_this;
#endif
#ifdef CASE_TEXT_RELOCATION
__attribute__((used, visibility("hidden"))) int relocated;
__asm__(".text\n.p2align 3\n.quad relocated\n");
#endif
#ifdef CASE_STATIC_TLS
static __thread int counted __attribute__((tls_model("initial-exec")));
__attribute__((used)) static int count_up(void) { return counted++; }
#endif
#ifdef CASE_UNIQUE_SYMBOL
__asm__(".data\n.globl unique_name\n.type unique_name, @gnu_unique_object\n.size unique_name, 8\n"
        "unique_name: .quad 0\n.text\n");
#endif

/* Opening */

#if defined(CASE_THREAD_ON_LOAD)
static void *sleeper(void *nothing) {
  for (;;) pause();
  return nothing;
}
#endif
#if defined(CASE_SIGNAL_ON_LOAD)
static void handler(int number) { (void)number; }
#endif

__attribute__((constructor)) static void loaded(void) {
#if defined(CASE_THREAD_ON_LOAD)
  pthread_t thread;
  pthread_create(&thread, NULL, sleeper, NULL);
#elif defined(CASE_DESCRIPTOR_ON_LOAD)
  if (open("/dev/null", O_RDONLY) < 0) abort();
#elif defined(CASE_SIGNAL_ON_LOAD)
  signal(SIGUSR1, handler);
#elif defined(CASE_ENVIRONMENT_ON_LOAD)
  setenv("CHECKED_WAS_HERE", "yes", 1);
#elif defined(CASE_FOLDER_ON_LOAD)
  if (chdir("/") != 0) abort();
#elif defined(CASE_UMASK_ON_LOAD)
  umask(0);
#elif defined(CASE_PRINTS_ON_LOAD)
  puts("hello from the constructor");
#elif defined(CASE_SLOW_LOAD)
  usleep(600000);
#elif defined(CASE_CRASHING_LOAD)
  abort();
#elif defined(CASE_HANGING_LOAD)
  for (;;) pause();
#endif
}

/* The role */

typedef struct waiting {
  nh_call call;
  nh_handle timer;
  struct waiting *next;
} waiting;

typedef struct checked {
  const nh_host *host;
  const nh_timer_service *timers;
  const nh_bus_service *bus;
  nh_handle tick, news;
  int64_t level, ticks;
  int32_t cancelled;
  waiting *waiting;
  pthread_t thread;
} checked;

static int64_t number_behind(nh_json config, const char *key, int64_t otherwise) {
  const char *place = config.len ? memmem(config.ptr, config.len, key, strlen(key)) : NULL;
  int64_t number = 0;
  if (!place) return otherwise;
  for (place += strlen(key); place < config.ptr + config.len && (*place < '0' || *place > '9');) place++;
  for (; place < config.ptr + config.len && *place >= '0' && *place <= '9'; place++)
    number = number * 10 + *place - '0';
  return number;
}

#ifdef CASE_COUNTS_INSTANCES
static atomic_int instances;
#endif
#ifdef CASE_THREAD_LOCAL
static __thread checked *mine;
#endif
#ifdef CASE_SHARED_COUNT
static int64_t shared;
#endif

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  checked *self = calloc(1, sizeof *self);
  const nh_json no_fields = {NULL, 0};
  if (!self) return nh_fail(error, NH_RESOURCE_EXHAUSTED, NH_STR(""), NH_STR("no memory for the role"));
  (void)no_fields;
#ifdef CASE_CREATE_FAILS
  free(self);
  return nh_fail(error, NH_INVALID_ARGUMENT, NH_STR("/level"), NH_STR("never level enough"));
#endif
  self->host = host;
  self->level = number_behind(config, "\"level\"", 10);
#if defined(CASE_LEAKS_IN_CREATE)
  *(void *volatile *)&self->waiting = malloc(40);
  self->waiting = NULL;
#elif defined(CASE_DESCRIPTOR_IN_CREATE)
  if (open("/dev/null", O_RDONLY) < 0) self->level = 1;
#elif defined(CASE_PRINTS_IN_CREATE)
  puts("creating");
#elif defined(CASE_CLOCK_IN_CREATE)
  self->ticks = host->now(host, NH_CLOCK_MONOTONIC) ? 0 : 0;
#elif defined(CASE_CRASHES_AT_LIMIT)
  if (self->level == 1000) abort();
#elif defined(CASE_SILENT_AT_LIMIT)
  if (self->level == 1000) {
    free(self);
    return NH_INVALID_ARGUMENT;
  }
#elif defined(CASE_THREAD_LOCAL)
  mine = self;
#elif defined(CASE_COUNTS_INSTANCES)
  if (atomic_fetch_add(&instances, 1) >= 2) abort();
#elif defined(CASE_NEEDS_TERMINATOR)
  if (strlen(config.ptr) != config.len) abort();
#endif
  *out = self;
  return NH_OK;
}

#ifdef CASE_CALLS_OFF_THREAD
static void *elsewhere(void *context) {
  checked *self = context;
  self->timers->once(self->timers->ctx, 1000000, 0);
  return NULL;
}
#endif

static nh_status start(void *context, nh_error *error) {
  checked *self = context;
  const int64_t period = 1000000000;
#ifdef CASE_THREAD_LOCAL
  if (mine->level != self->level) abort();
#endif
  self->timers = self->host->get_service(self->host, NH_STR(NH_TIMER_ID), NH_TIMER_LAYOUT);
  self->bus = self->host->get_service(self->host, NH_STR(NH_BUS_ID), NH_BUS_LAYOUT);
#ifndef CASE_TRUSTS_SERVICES
  if (!self->timers || !self->bus) return nh_fail(error, NH_UNAVAILABLE, NH_STR(""), NH_STR("no timer or bus"));
#endif
#if defined(CASE_ASKS_UNDECLARED)
  if (self->host->get_service(self->host, NH_STR(NH_ROLES_ID), NH_ROLES_LAYOUT)) self->level++;
#elif defined(CASE_ASKS_UNKNOWN)
  if (self->host->get_service(self->host, NH_STR("com.example.unknown/1"), 1)) self->level++;
#elif defined(CASE_REFUSES_LONGER_TABLES)
  if (self->timers->struct_size != sizeof *self->timers)
    return nh_fail(error, NH_FAILED_PRECONDITION, NH_STR(""), NH_STR("a table of another size"));
#elif defined(CASE_READS_BEYOND_TABLE)
  if (*(volatile const uint64_t *)(self->timers + 1) == 1) self->level++;
#elif defined(CASE_LEAKS_IN_FAILED_START)
  void *volatile kept = malloc(48);
#elif defined(CASE_COUNTS_INSTANCES)
  usleep(2000);
#endif
  self->tick = self->timers->every(self->timers->ctx, period, period, 0);
#ifdef CASE_CRASHES_WITHOUT_TIMER
  if (!self->tick) abort();
#endif
  if (self->tick) self->news = self->bus->subscribe(self->bus->ctx, NH_STR("checked.news"), 0);
  if (!self->tick || !self->news)
    return nh_fail(error, NH_RESOURCE_EXHAUSTED, NH_STR(""), NH_STR("no timer or subscription is left"));
#if defined(CASE_GATHERS_TIMERS)
  for (int64_t i = 0; i < self->ticks / 8 && i < 500; i++)
    self->timers->every(self->timers->ctx, period * 2, period * 2, (uint64_t)i);
#elif defined(CASE_LEAKS_IN_FAILED_START)
  free(kept);
#elif defined(CASE_CALLS_OFF_THREAD)
  pthread_create(&self->thread, NULL, elsewhere, self);
#endif
  return NH_OK;
}

static void stop(void *context) {
  checked *self = context;
  (void)self;
#ifdef CASE_CALLS_OFF_THREAD
  pthread_join(self->thread, NULL);
#endif
}

#ifdef CASE_USES_HOST_LATE
static void *late(void *host) {
  const nh_json no_fields = {NULL, 0};
  usleep(10000);
  ((const nh_host *)host)->log(host, NH_LOG_INFO, NH_STR("too late"), no_fields);
  return NULL;
}
#endif

static void destroy(void *context) {
  checked *self = context;
#if defined(CASE_CANCELS_IN_DESTROY)
  if (self->news) self->timers->cancel(self->timers->ctx, self->tick);
#elif defined(CASE_USES_HOST_LATE)
  pthread_create(&self->thread, NULL, late, (void *)self->host);
  pthread_detach(self->thread);
#elif defined(CASE_COUNTS_INSTANCES)
  atomic_fetch_sub(&instances, 1);
#endif
  while (self->waiting) {
    waiting *next = self->waiting->next;
    free(self->waiting);
    self->waiting = next;
  }
  free(self);
}

/* Methods */

static void add(void *context, const nh_call *call, int64_t a, int64_t b) {
  int64_t sum;
  (void)context;
#if defined(CASE_CRASHES_IN_METHOD)
  abort();
#elif defined(CASE_HANGS_IN_METHOD)
  for (;;) pause();
#elif defined(CASE_SLOW_METHOD)
  usleep(300000);
#elif defined(CASE_TRAPS_ON_EDGE)
  if (a == INT64_MIN && b == INT64_MIN) abort();
#elif defined(CASE_LEAKS_IN_METHOD)
  void *volatile lost = malloc(40);
  lost = NULL;
#endif
#if defined(CASE_NO_REASON)
  if (__builtin_add_overflow(a, b, &sum)) nh_reply_error(call, NH_OUT_OF_RANGE, NH_STR(""));
#elif defined(CASE_ODD_STATUS)
  if (__builtin_add_overflow(a, b, &sum)) nh_reply_error(call, 99, NH_STR("too large"));
#else
  if (__builtin_add_overflow(a, b, &sum)) nh_reply_error(call, NH_OUT_OF_RANGE, NH_STR("the sum is too large"));
#endif
#ifdef CASE_ANSWERS_TEXT
  else nh_reply_text(call, NH_STR("some"));
#else
  else nh_reply_int(call, sum);
#endif
}

static void later(void *context, const nh_call *call) {
  checked *self = context;
  waiting *entry = malloc(sizeof *entry);
  if (!entry) {
    nh_reply_error(call, NH_RESOURCE_EXHAUSTED, NH_STR("no memory"));
    return;
  }
  entry->timer = self->timers->once(self->timers->ctx, 20000000, 0);
  if (!entry->timer) {
#ifndef CASE_FORGETS_CALL
    nh_reply_error(call, NH_RESOURCE_EXHAUSTED, NH_STR("no timer is left"));
#endif
    free(entry);
    return;
  }
  entry->call = *call;
  entry->next = self->waiting;
  self->waiting = entry;
}

static void count(void *context, const nh_call *call) {
  checked *self = context;
#ifdef CASE_SHARED_COUNT
  self->ticks = ++shared;
#endif
  nh_reply_int(call, self->ticks);
}

/* Callbacks */

static void forget(checked *self, nh_handle call) {
  waiting **place = &self->waiting;
  while (*place && (*place)->call.handle != call) place = &(*place)->next;
  if (*place) {
    waiting *entry = *place;
    *place = entry->next;
    self->timers->cancel(self->timers->ctx, entry->timer);
    free(entry);
  }
#ifdef CASE_CRASHES_ON_LATE_CANCEL
  else if (call >> 32 < 1000) abort();
#endif
}

static void on_timer(void *context, nh_handle timer, uint64_t token) {
  checked *self = context;
  waiting **place = &self->waiting;
  (void)token;
  if (timer == self->tick) {
    nh_bytes payload = {(const uint8_t *)"tick", 4};
    self->ticks++;
#ifdef CASE_PUBLISHES_UNDECLARED
    self->bus->publish(self->bus->ctx, NH_STR("checked.tock"), payload);
#else
    self->bus->publish(self->bus->ctx, NH_STR("checked.tick"), payload);
#endif
    return;
  }
  while (*place && (*place)->timer != timer) place = &(*place)->next;
  if (*place) {
    waiting *entry = *place;
    *place = entry->next;
    nh_reply_int(&entry->call, self->ticks);
    free(entry);
  }
}

static void on_event(void *context, const nh_event *event) {
  checked *self = context;
  if (event->kind == NH_EVENT_CANCELLED) {
    forget(self, event->handle);
  } else if (event->kind == NH_EVENT_TOPIC) {
#ifdef CASE_GATHERS_SUBSCRIPTIONS
    if (event->handle == self->news) self->bus->subscribe(self->bus->ctx, NH_STR("checked.more"), 0);
#endif
  }
#ifdef CASE_CRASHES_ON_NEW_KIND
  else abort();
#endif
}

/* State: "v1:" and sixteen hexadecimal digits. */

#define STATE_LENGTH 19

static nh_status save(void *context, const nh_sink *sink, nh_error *error) {
  checked *self = context;
  char text[STATE_LENGTH + 1];
  nh_bytes head = {(const uint8_t *)text, 3}, tail = {(const uint8_t *)text + 3, STATE_LENGTH - 3};
  nh_status status;
#ifdef CASE_SAVES_ADDRESS
  snprintf(text, sizeof text, "v1:%016" PRIx64, (uint64_t)(uintptr_t)self);
#else
  snprintf(text, sizeof text, "v1:%016" PRIx64, (uint64_t)self->ticks);
#endif
#ifdef CASE_SAVE_EMPTIES
  self->ticks = 0;
#endif
  status = sink->write(sink->ctx, head);
#ifdef CASE_IGNORES_SINK
  sink->write(sink->ctx, tail);
  status = NH_OK;
#else
  if (status == NH_OK) status = sink->write(sink->ctx, tail);
#endif
  if (status != NH_OK) return nh_fail(error, status, NH_STR(""), NH_STR("the host did not take the state"));
  return NH_OK;
}

static nh_status load(void *context, uint32_t version, nh_bytes state, nh_error *error) {
  checked *self = context;
  uint64_t ticks = 0;
#if defined(CASE_CRASHES_ON_CUT_STATE)
  if (state.len > 3 && state.len < STATE_LENGTH && memcmp(state.ptr, "v1:0", 4) == 0) abort();
#elif defined(CASE_CRASHES_ON_EMPTY_STATE)
  if (state.len == 0) abort();
#elif defined(CASE_HANGS_ON_EMPTY_STATE)
  while (state.len == 0) pause();
#elif defined(CASE_CRASHES_ON_LONG_STATE)
  if (state.len > STATE_LENGTH) abort();
#elif defined(CASE_CRASHES_ON_OTHER_VERSION)
  if (version != 1) abort();
#elif defined(CASE_READS_BEYOND_STATE)
  if (state.len && ((const volatile uint8_t *)state.ptr)[STATE_LENGTH - 1] == 1) return NH_INTERNAL;
#endif
#ifdef CASE_REFUSES_OLD_AGE
  if (state.len == STATE_LENGTH && state.ptr[STATE_LENGTH - 2] >= '4')
    return nh_fail(error, NH_OUT_OF_RANGE, NH_STR(""), NH_STR("too old"));
#endif
#ifdef CASE_REFUSES_SILENTLY
  if (version != 1 || state.len != STATE_LENGTH) return NH_INVALID_ARGUMENT;
#endif
  if (version != 1 || state.len != STATE_LENGTH || memcmp(state.ptr, "v1:", 3) != 0)
    return nh_fail(error, NH_INVALID_ARGUMENT, NH_STR(""), NH_STR("no state of version 1"));
  for (uint64_t i = 3; i < state.len; i++) {
    const char *digit = strchr("0123456789abcdef", state.ptr[i]);
    if (!digit || !*digit) return nh_fail(error, NH_INVALID_ARGUMENT, NH_STR(""), NH_STR("no hexadecimal digit"));
    ticks = ticks * 16 + (uint64_t)(digit - "0123456789abcdef");
  }
#ifndef CASE_LOADS_NOTHING
  self->ticks = (int64_t)(ticks & INT64_MAX / 2);
#else
  (void)self;
#endif
  return NH_OK;
}

static const nh_method methods[] = {
    {NH_INIT("add"), NH_INIT(""), NH_INIT("l(ll)"), NH_INIT("a,b"), (nh_function)add, NH_NATIVE, 0},
    {NH_INIT("later"), NH_INIT(""), NH_INIT("l()"), NH_INIT(""), (nh_function)later, NH_NATIVE, 0},
    {NH_INIT("count"), NH_INIT(""), NH_INIT("l()"), NH_INIT(""), (nh_function)count, NH_NATIVE, 0},
};

static const nh_topic topics[] = {{NH_INIT("checked.tick"), NH_INIT("")}};

static const nh_need needs[] = {
    {NH_INIT(NH_TIMER_ID), NH_TIMER_LAYOUT, 1, 0},
    {NH_INIT(NH_BUS_ID), NH_BUS_LAYOUT, 1, 0},
};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .state_version = 1,
    .id = NH_INIT("checked"),
#ifdef CASE_BAD_TABLE
    .version = NH_INIT("one"),
#else
    .version = NH_INIT("1.0.0"),
#endif
    .config_schema = {SCHEMA, sizeof(SCHEMA) - 1},
    .methods = NH_INIT_LIST(methods),
    .topics = NH_INIT_LIST(topics),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .on_timer = on_timer,
    .on_event = on_event,
    .save = save,
    .load = load,
};

#ifdef CASE_NO_ENTRY
__attribute__((visibility("hidden"), used)) nh_status hidden_query(
#else
NH_EXPORT nh_status nh_plugin_query(
#endif
    const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
#if defined(CASE_ACCEPTS_ANY_MAJOR)
  if (offer->layout != NH_BASE_LAYOUT) return nh_refuse_offer(error);
#elif defined(CASE_ACCEPTS_ANY_LAYOUT)
  if (offer->abi_major_least > NH_ABI_MAJOR) return nh_refuse_offer(error);
#elif defined(CASE_REFUSES_WITHOUT_ERROR_ROOM)
  if (!nh_offer_fits(offer)) {
    error->code = NH_FAILED_PRECONDITION;
    return nh_refuse_offer(error);
  }
#else
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
#endif
#ifdef CASE_ANOTHER_ANSWER
  static nh_plugin copies[2];
  static int asked;
  copies[asked & 1] = plugin;
  *out = &copies[asked++ & 1];
#else
  *out = &plugin;
#endif
  return NH_OK;
}
