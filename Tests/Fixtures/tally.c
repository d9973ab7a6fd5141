/* A small role with state, for swaps: it counts calls, events and ticks. -D... makes other builds of it. */
#include <nodehost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef BUILD
#define BUILD 1
#endif
#ifndef STATE_VERSION
#define STATE_VERSION 1
#endif
#ifndef TICK_MS
#define TICK_MS 400
#endif
#ifndef LATER_FLAGS
#define LATER_FLAGS 0
#endif
#define TICK 7
#define GIVE_UP 8
#define MILLISECOND 1000000LL

NH_PLUGIN_NOTE("tally", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

typedef struct tally {
  const nh_host *host;
  const nh_timer_service *timers;
  const nh_roles_service *roles;
  nh_handle tick;
  nh_call waiting[16];
  nh_handle asked;
  nh_call asking;
  int64_t count, ticks, events, cancelled;
} tally;

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
#ifdef CREATE_FAILS_IN_HOST
  /* The trial process has another node's name. */
  if (host->node_name.len != 5) return nh_fail(error, NH_INTERNAL, nh_cstr(""), nh_cstr("not in this house"));
#endif
  (void)error;
  tally *self = calloc(1, sizeof *self);
  self->host = host;
  *out = self;
  return NH_OK;
}

static nh_status start(void *role, nh_error *error) {
  tally *self = role;
#ifdef START_FAILS
  return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("it does not like mornings"));
#endif
  (void)error;
  const nh_host *host = self->host;
  self->timers = host->get_service(host, nh_cstr(NH_TIMER_ID), NH_TIMER_LAYOUT);
  self->roles = host->get_service(host, nh_cstr(NH_ROLES_ID), NH_ROLES_LAYOUT);
  const nh_bus_service *bus = host->get_service(host, nh_cstr(NH_BUS_ID), NH_BUS_LAYOUT);
  self->tick = self->timers->every(self->timers->ctx, TICK_MS * MILLISECOND, TICK_MS * MILLISECOND, TICK);
#ifndef DEAF
  bus->subscribe(bus->ctx, nh_cstr("tally.*"), BUILD);
#endif
#ifdef GIVES_UP_IN_START
  host->fail(host, NH_INTERNAL, nh_cstr("no use"));
#endif
#ifdef GIVES_UP_MS
  self->timers->once(self->timers->ctx, GIVES_UP_MS * MILLISECOND, GIVE_UP);
#endif
  return NH_OK;
}

static void destroy(void *role) { free(role); }

static void on_timer(void *role, nh_handle timer, uint64_t token) {
  tally *self = role;
  (void)timer;
  if (token == TICK) {
    self->ticks++;
  } else if (token == GIVE_UP) {
    self->host->fail(self->host, NH_DATA_LOSS, nh_cstr("the new way does not work"));
  } else if (self->waiting[token - 100].answer) {
    nh_call call = self->waiting[token - 100];
    memset(&self->waiting[token - 100], 0, sizeof call);
    nh_reply_int(&call, BUILD);
  }
}

static void on_event(void *role, const nh_event *event) {
  tally *self = role;
  if (event->kind == NH_EVENT_TOPIC && event->token == BUILD) self->events++;
  if (event->kind != NH_EVENT_CANCELLED) return;
  self->cancelled++;
  for (int i = 0; i < 16; i++)
    if (self->waiting[i].handle == event->handle) memset(&self->waiting[i], 0, sizeof self->waiting[i]);
}

static void on_reply(void *role, const nh_reply *reply) {
  tally *self = role;
  if (reply->status == NH_OK) nh_reply_int(&self->asking, (int64_t)reply->value.slot.lo);
  else nh_reply_error(&self->asking, reply->status, reply->message);
}

/* Methods */

static void add(void *role, const nh_call *call, int64_t amount) {
  nh_reply_int(call, ((tally *)role)->count += amount);
}
static void build(void *role, const nh_call *call) {
  (void)role;
  nh_reply_int(call, BUILD);
}
static void heard(void *role, const nh_call *call) { nh_reply_int(call, ((tally *)role)->events); }
static void ticked(void *role, const nh_call *call) { nh_reply_int(call, ((tally *)role)->ticks); }
static void remaining(void *role, const nh_call *call) {
  tally *self = role;
  nh_reply_int(call, self->timers->remaining(self->timers->ctx, self->tick) / MILLISECOND);
}
static void later(void *role, const nh_call *call, int64_t milliseconds) {
  tally *self = role;
  for (uint64_t i = 0; i < 16; i++) {
    if (self->waiting[i].answer) continue;
    self->waiting[i] = *call;
    self->timers->once(self->timers->ctx, milliseconds * MILLISECOND, 100 + i);
    return;
  }
  nh_reply_error(call, NH_RESOURCE_EXHAUSTED, nh_cstr("too many wait"));
}
/* Asks another role, and answers with what that answers. */
static void ask(void *role, const nh_call *call, nh_str target, int64_t milliseconds) {
  tally *self = role;
  nh_value wait = {'l', 0, {(uint64_t)milliseconds, 0}};
  self->asking = *call;
  self->roles->call(self->roles->ctx, target, nh_cstr(""), nh_cstr("later"), (nh_value_list){&wait, 1}, 0, 1);
}
#ifndef WITHOUT_EXTRA
static void extra(void *role, const nh_call *call) {
  (void)role;
  nh_reply_nothing(call);
}
#endif

/* State: a line of numbers. */

#ifndef STATELESS
static nh_status save(void *role, const nh_sink *sink, nh_error *error) {
  tally *self = role;
  char text[96];
  (void)error;
  int length = snprintf(text, sizeof text, "%lld %lld %lld", (long long)self->count, (long long)self->events,
                        (long long)self->ticks);
  return sink->write(sink->ctx, (nh_bytes){(const uint8_t *)text, (uint64_t)length});
}

static nh_status load(void *role, uint32_t version, nh_bytes state, nh_error *error) {
  tally *self = role;
  long long count, events, ticks;
  char text[96] = {0};
#ifdef ONLY_VERSION
  if (version != ONLY_VERSION) return nh_fail(error, NH_INVALID_ARGUMENT, nh_cstr(""), nh_cstr("too new for me"));
#endif
  (void)version;
  if (state.len >= sizeof text) return nh_fail(error, NH_INVALID_ARGUMENT, nh_cstr(""), nh_cstr("too long"));
  memcpy(text, state.ptr, state.len);
  if (sscanf(text, "%lld %lld %lld", &count, &events, &ticks) != 3)
    return nh_fail(error, NH_INVALID_ARGUMENT, nh_cstr(""), nh_cstr("not three numbers"));
  self->count = count;
  self->events = events;
  self->ticks = ticks;
  return NH_OK;
}
#endif

static uint32_t health(void *role, const nh_sink *reason) {
  (void)role;
#ifdef SICK
  static const char text[] = "it aches";
  reason->write(reason->ctx, (nh_bytes){(const uint8_t *)text, sizeof text - 1});
  return NH_HEALTH_FAILED;
#else
  (void)reason;
  return NH_HEALTH_OK;
#endif
}

#define METHOD(name, letters, names, flags) \
  {NH_INIT(#name), NH_INIT(""), NH_INIT(letters), NH_INIT(names), (nh_function)name, NH_NATIVE, flags}

static const nh_method methods[] = {
#ifndef WITHOUT_EXTRA
    METHOD(extra, "v()", "", 0),
#endif
    METHOD(add, "l(l)", "amount", 0),
    METHOD(build, "l()", "", NH_METHOD_IDEMPOTENT),
    METHOD(heard, "l()", "", NH_METHOD_IDEMPOTENT),
    METHOD(ticked, "l()", "", NH_METHOD_IDEMPOTENT),
    METHOD(remaining, "l()", "", NH_METHOD_IDEMPOTENT),
    METHOD(later, "l(l)", "milliseconds", LATER_FLAGS),
    METHOD(ask, "l(sl)", "target,milliseconds", 0),
};

static const nh_need needs[] = {
    {NH_INIT(NH_TIMER_ID), NH_TIMER_LAYOUT, 1, 0},
    {NH_INIT(NH_BUS_ID), NH_BUS_LAYOUT, 1, 0},
    {NH_INIT(NH_ROLES_ID), NH_ROLES_LAYOUT, 1, 0},
};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .id = NH_INIT("tally"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Counts."),
#ifndef STATELESS
    .state_version = STATE_VERSION,
    .save = save,
    .load = load,
#endif
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_timer = on_timer,
    .on_event = on_event,
    .on_reply = on_reply,
    .health = health,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}
