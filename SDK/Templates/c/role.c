/* The first role, in C: it greets, adds, answers later, and ticks. nodehost.h is the manual. */
#include <inttypes.h>
#include <nodehost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_VERSION 1u
#define DAY_MS 86400000
#define GREETING_LIMIT 64 /* characters, as the schema says; four bytes each at most */

NH_PLUGIN_NOTE("hello-c", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

/* A call of `later` that waits for its timer. */
typedef struct hello_waiting {
  nh_call call;
  nh_handle timer;
  struct hello_waiting *next;
  uint64_t len;
  char text[];
} hello_waiting;

typedef struct hello_role {
  const nh_host *host;
  const nh_timer_service *timers;
  const nh_bus_service *bus;
  const nh_metrics_service *metrics;
  nh_handle tick_timer;
  nh_handle tick_counter; /* 0 if the host has no room for it */
  int64_t tick_seconds;
  uint64_t ticks;
  hello_waiting *waiting;
  uint64_t greeting_len;
  char greeting[GREETING_LIMIT * 4];
} hello_role;

/* Configuration. The host has checked it against the schema and filled in the defaults, and the pattern
 * keeps quotes and backslashes out, so finding a key and reading up to the next quote is enough. */

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"greeting\":{\"type\":\"string\",\"description\":\"How to greet.\",\"minLength\":1,\"maxLength\":64,"
    "\"pattern\":\"^[^\\\"\\\\\\\\]*$\",\"default\":\"Hello\"},"
    "\"tick_seconds\":{\"type\":\"integer\",\"description\":\"Seconds between two ticks.\","
    "\"minimum\":1,\"maximum\":3600,\"default\":10}},"
    "\"additionalProperties\":false}";

static uint64_t skip_space(nh_str text, uint64_t place) {
  while (place < text.len && (text.ptr[place] == ' ' || (text.ptr[place] >= '\t' && text.ptr[place] <= '\r'))) place++;
  return place;
}

/* What follows `"key":`, up to `end`. */
static nh_str value_of(nh_json config, const char *key, const char *end) {
  const nh_str text = nh_text(config.ptr, config.len);
  const uint64_t length = strlen(key);
  for (uint64_t i = 0; i + length < text.len; i++) {
    uint64_t place = skip_space(text, i + length), start;
    if (memcmp(text.ptr + i, key, length) != 0 || place >= text.len || text.ptr[place] != ':') continue;
    place = skip_space(text, place + 1);
    if (place < text.len && text.ptr[place] == '"') place++;
    for (start = place; place < text.len && !strchr(end, text.ptr[place]);) place++;
    return nh_text(text.ptr + start, place - start);
  }
  return nh_text(NULL, 0);
}

/* A whole number of up to 18 digits, or -1. */
static int64_t whole_number(nh_str text) {
  int64_t number = 0;
  if (text.len == 0 || text.len > 18) return -1;
  for (uint64_t i = 0; i < text.len; i++) {
    if (text.ptr[i] < '0' || text.ptr[i] > '9') return -1;
    number = number * 10 + (text.ptr[i] - '0');
  }
  return number;
}

/* Life */

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  nh_str greeting = value_of(config, "\"greeting\"", "\"");
  hello_role *role = calloc(1, sizeof *role);
  if (!role) return nh_fail(error, NH_RESOURCE_EXHAUSTED, NH_STR(""), NH_STR("no memory for the role"));
  role->host = host;
  role->tick_seconds = whole_number(value_of(config, "\"tick_seconds\"", ",} \t\r\n"));
  role->greeting_len = greeting.len < sizeof role->greeting ? greeting.len : sizeof role->greeting;
  if (role->greeting_len) memcpy(role->greeting, greeting.ptr, role->greeting_len);
  *out = role;
  return NH_OK;
}

static nh_status start(void *self, nh_error *error) {
  hello_role *role = self;
  const nh_host *host = role->host;
  const int64_t period_ns = role->tick_seconds * 1000000000;
  const nh_pair_list no_labels = {NULL, 0};

  role->timers = host->get_service(host, NH_STR(NH_TIMER_ID), NH_TIMER_LAYOUT);
  role->bus = host->get_service(host, NH_STR(NH_BUS_ID), NH_BUS_LAYOUT);
  role->metrics = host->get_service(host, NH_STR(NH_METRICS_ID), NH_METRICS_LAYOUT);
  if (!role->timers || !role->bus || !role->metrics)
    return nh_fail(error, NH_UNAVAILABLE, NH_STR(""), NH_STR("the host gives no timer, bus or metrics now"));

  role->tick_counter = role->metrics->counter(role->metrics->ctx, NH_STR("hello_ticks_total"),
                                              NH_STR("How often the role ticked."), no_labels);
  role->tick_timer = role->timers->every(role->timers->ctx, period_ns, period_ns, 0);
  if (!role->tick_timer)
    return nh_fail(error, NH_RESOURCE_EXHAUSTED, NH_STR(""), NH_STR("the host sets no more timers"));
  if (!role->bus->subscribe(role->bus->ctx, NH_STR("hello.ping"), 0))
    return nh_fail(error, NH_RESOURCE_EXHAUSTED, NH_STR(""), NH_STR("no subscription to hello.ping"));
  return NH_OK;
}

static void destroy(void *self) {
  hello_role *role = self;
  while (role->waiting) {
    hello_waiting *next = role->waiting->next;
    free(role->waiting);
    role->waiting = next;
  }
  free(role);
}

/* Methods */

static void add(void *self, const nh_call *call, int64_t a, int64_t b) {
  int64_t sum;
  (void)self;
  if (__builtin_add_overflow(a, b, &sum))
    nh_reply_error(call, NH_OUT_OF_RANGE, NH_STR("the sum does not fit 64 bits; take smaller numbers"));
  else
    nh_reply_int(call, sum);
}

static void greet(void *self, const nh_call *call, nh_str who) {
  hello_role *role = self;
  uint64_t len = role->greeting_len + who.len + 3;
  char *text = malloc(len);
  if (!text) {
    nh_reply_error(call, NH_RESOURCE_EXHAUSTED, NH_STR("no memory for the greeting"));
    return;
  }
  memcpy(text, role->greeting, role->greeting_len);
  memcpy(text + role->greeting_len, ", ", 2);
  if (who.len) memcpy(text + role->greeting_len + 2, who.ptr, who.len);
  text[len - 1] = '!';
  nh_reply_text(call, nh_text(text, len));
  free(text);
}

static void later(void *self, const nh_call *call, nh_str text, int64_t milliseconds) {
  hello_role *role = self;
  hello_waiting *entry;
  if (milliseconds < 0 || milliseconds > DAY_MS) {
    nh_reply_error(call, NH_INVALID_ARGUMENT, NH_STR("milliseconds is out of range; wait 0 to 86400000"));
    return;
  }
  entry = malloc(sizeof *entry + text.len);
  if (entry) entry->timer = role->timers->once(role->timers->ctx, milliseconds * 1000000, 0);
  if (!entry || !entry->timer) {
    nh_reply_error(call, NH_RESOURCE_EXHAUSTED, NH_STR("too many calls wait already; try again later"));
    free(entry);
    return;
  }
  entry->call = *call; /* the copy answers when the timer runs out */
  entry->len = text.len;
  if (text.len) memcpy(entry->text, text.ptr, text.len);
  entry->next = role->waiting;
  role->waiting = entry;
}

static void fail(void *self, const nh_call *call, nh_str text) {
  (void)self;
  nh_reply_error(call, NH_FAILED_PRECONDITION, text);
}

/* Callbacks */

static void tick(hello_role *role) {
  char number[24];
  nh_bytes payload = {(const uint8_t *)number, 0};
  role->ticks++;
  payload.len = (uint64_t)snprintf(number, sizeof number, "%" PRIu64, role->ticks);
  if (role->tick_counter) role->metrics->add(role->metrics->ctx, role->tick_counter, 1);
  role->bus->publish(role->bus->ctx, NH_STR("hello-c.tick"), payload);
}

/* Handles tell whose timer it is: a token would not, since a timer may be older than this code. */
static void on_timer(void *self, nh_handle timer, uint64_t token) {
  hello_role *role = self;
  hello_waiting **place = &role->waiting;
  (void)token;
  if (timer == role->tick_timer) {
    tick(role);
    return;
  }
  while (*place && (*place)->timer != timer) place = &(*place)->next;
  if (*place) {
    hello_waiting *entry = *place;
    *place = entry->next;
    nh_reply_text(&entry->call, nh_text(entry->text, entry->len));
    free(entry);
  }
}

static void forget(hello_role *role, nh_handle call) {
  hello_waiting **place = &role->waiting;
  while (*place && (*place)->call.handle != call) place = &(*place)->next;
  if (*place) {
    hello_waiting *entry = *place;
    *place = entry->next;
    role->timers->cancel(role->timers->ctx, entry->timer);
    free(entry);
  }
}

static void on_event(void *self, const nh_event *event) {
  hello_role *role = self;
  if (event->kind == NH_EVENT_CANCELLED) {
    forget(role, event->handle);
  } else if (event->kind == NH_EVENT_TOPIC) {
    const nh_json no_fields = {NULL, 0};
    char line[128]; /* a longer ping is cut */
    int shown = event->payload.len < 100 ? (int)event->payload.len : 100;
    int len = snprintf(line, sizeof line, "ping: %.*s", shown, (const char *)event->payload.ptr);
    role->host->log(role->host, NH_LOG_INFO, nh_text(line, (uint64_t)len), no_fields);
  }
}

/* State: the count of ticks in decimal. */

static nh_status save(void *self, const nh_sink *state, nh_error *error) {
  hello_role *role = self;
  char number[24];
  nh_bytes piece = {(const uint8_t *)number, 0};
  nh_status status;
  piece.len = (uint64_t)snprintf(number, sizeof number, "%" PRIu64, role->ticks);
  status = state->write(state->ctx, piece);
  return status == NH_OK ? NH_OK : nh_fail(error, status, NH_STR(""), NH_STR("the host did not take the state"));
}

static nh_status load(void *self, uint32_t version, nh_bytes state, nh_error *error) {
  hello_role *role = self;
  int64_t ticks = whole_number(nh_text((const char *)state.ptr, state.len));
  if (version != STATE_VERSION || ticks < 0)
    return nh_fail(error, NH_INVALID_ARGUMENT, NH_STR(""), NH_STR("the state is no count of ticks of version 1"));
  role->ticks = (uint64_t)ticks;
  return NH_OK;
}

static uint32_t health(void *self, const nh_sink *reason) {
  (void)self;
  (void)reason;
  return NH_HEALTH_OK;
}

/* What the host gets */

static const nh_method methods[] = {
    {NH_INIT("add"), NH_INIT("The sum of two numbers."), NH_INIT("l(ll)"), NH_INIT("a,b"), (nh_function)add,
     NH_NATIVE, NH_METHOD_IDEMPOTENT},
    {NH_INIT("greet"), NH_INIT("A greeting."), NH_INIT("s(s)"), NH_INIT("who"), (nh_function)greet, NH_NATIVE,
     NH_METHOD_IDEMPOTENT},
    {NH_INIT("later"), NH_INIT("The text, after a while."), NH_INIT("s(sl)"), NH_INIT("text,milliseconds"),
     (nh_function)later, NH_NATIVE, 0},
    {NH_INIT("fail"), NH_INIT("Fails, with the text as the reason."), NH_INIT("v(s)"), NH_INIT("text"),
     (nh_function)fail, NH_NATIVE, 0},
};

static const nh_topic topics[] = {
    {NH_INIT("hello-c.tick"), NH_INIT("Every tick, with its number.")},
};

static const nh_need needs[] = {
    {NH_INIT(NH_TIMER_ID), NH_TIMER_LAYOUT, 1, 0},
    {NH_INIT(NH_BUS_ID), NH_BUS_LAYOUT, 1, 0},
    {NH_INIT(NH_METRICS_ID), NH_METRICS_LAYOUT, 1, 0},
};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .threading = NH_THREADING_SERIAL,
    .state_version = STATE_VERSION,
    .id = NH_INIT("hello-c"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Greets, adds and ticks: the first role, in C."),
    .config_schema = {schema, sizeof schema - 1},
    .methods = NH_INIT_LIST(methods),
    .topics = NH_INIT_LIST(topics),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_timer = on_timer,
    .on_event = on_event,
    .save = save,
    .load = load,
    .health = health,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}
