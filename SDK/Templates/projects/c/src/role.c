/* sample-role counts, and says so from time to time. nodehost.h is the manual of everything that begins with nh_. */
#include <inttypes.h>
#include <nodehost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHAT_ROOM 161 /* 40 characters of up to four bytes, and a zero */
#define NUMBER_ROOM 24
/* Count it up when save writes something that an older load cannot read. */
#define STATE_VERSION 1u

NH_PLUGIN_NOTE("sample-role", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

typedef struct sample_role {
  const nh_host *host;
  char what[WHAT_ROOM];
  int64_t report_seconds;
  int64_t sum;
} sample_role;

/* Configuration. The host checks it against this schema and fills in the defaults before create. */

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"what\":{\"type\":\"string\",\"description\":\"What is counted.\",\"minLength\":1,\"maxLength\":40,"
    "\"pattern\":\"^[^\\\"\\\\\\\\]*$\",\"default\":\"visits\"},"
    "\"report_seconds\":{\"type\":\"integer\",\"description\":\"Seconds between two reports.\","
    "\"minimum\":1,\"maximum\":3600,\"default\":5}},\"additionalProperties\":false}";

/* What follows `"key":`. The pattern keeps quotes and backslashes out, so no more than this is needed. */
static const char *value_of(const char *config, const char *key) {
  for (const char *found = config; (found = strstr(found, key)); found++) {
    const char *value = found + strlen(key);
    value += strspn(value, " \t\r\n");
    if (*value == ':') return value + 1 + strspn(value + 1, " \t\r\n");
  }
  return "";
}

/* Life */

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  sample_role *role = calloc(1, sizeof *role);
  char *text = calloc(1, config.len + 1);
  if (!role || !text) {
    free(role);
    free(text);
    return nh_fail(error, NH_RESOURCE_EXHAUSTED, NH_STR(""), NH_STR("no memory for the role"));
  }
  if (config.len) memcpy(text, config.ptr, config.len);
  sscanf(value_of(text, "\"what\""), "\"%160[^\"]", role->what);
  role->report_seconds = strtoll(value_of(text, "\"report_seconds\""), NULL, 10);
  role->host = host;
  free(text);
  *out = role;
  return NH_OK;
}

static nh_status start(void *self, nh_error *error) {
  sample_role *role = self;
  const int64_t period_ns = role->report_seconds * 1000000000;
  const nh_timer_service *timers = role->host->get_service(role->host, NH_STR(NH_TIMER_ID), NH_TIMER_LAYOUT);
  if (!timers || !timers->every(timers->ctx, period_ns, period_ns, 0))
    return nh_fail(error, NH_UNAVAILABLE, NH_STR(""), NH_STR("the host sets no timer now"));
  return NH_OK;
}

static void destroy(void *self) { free(self); }

static void on_timer(void *self, nh_handle timer, uint64_t token) {
  sample_role *role = self;
  const nh_json no_fields = {NULL, 0};
  char line[WHAT_ROOM + NUMBER_ROOM];
  (void)timer, (void)token;
  snprintf(line, sizeof line, "%" PRId64 " %s", role->sum, role->what);
  role->host->log(role->host, NH_LOG_INFO, nh_cstr(line), no_fields);
}

/* Methods */

static void add(void *self, const nh_call *call, int64_t amount) {
  sample_role *role = self;
  int64_t sum;
  if (amount < 1) {
    nh_reply_error(call, NH_INVALID_ARGUMENT, NH_STR("amount is too small; count upwards, from 1"));
  } else if (__builtin_add_overflow(role->sum, amount, &sum)) {
    nh_reply_error(call, NH_OUT_OF_RANGE, NH_STR("the sum does not fit 64 bits"));
  } else {
    role->sum = sum;
    nh_reply_int(call, sum);
  }
}

/* State: what the next build of the role takes over. */

static nh_status save(void *self, const nh_sink *state, nh_error *error) {
  sample_role *role = self;
  char number[NUMBER_ROOM];
  const int len = snprintf(number, sizeof number, "%" PRId64, role->sum);
  const nh_status status = state->write(state->ctx, (nh_bytes){(const uint8_t *)number, (uint64_t)len});
  return status == NH_OK ? NH_OK : nh_fail(error, status, NH_STR(""), NH_STR("the host did not take the state"));
}

static nh_status load(void *self, uint32_t version, nh_bytes state, nh_error *error) {
  sample_role *role = self;
  char number[NUMBER_ROOM] = "", *end = number;
  if (version == STATE_VERSION && state.len > 0 && state.len < sizeof number) {
    memcpy(number, state.ptr, state.len);
    role->sum = strtoll(number, &end, 10);
  }
  if (end == number || *end) return nh_fail(error, NH_INVALID_ARGUMENT, NH_STR(""), NH_STR("the state is no sum"));
  return NH_OK;
}

/* What the host gets */

static const nh_method methods[] = {
    {NH_INIT("add"), NH_INIT("Counts, and answers with the sum."), NH_INIT("l(l)"), NH_INIT("amount"),
     (nh_function)add, NH_NATIVE, 0},
};

static const nh_need needs[] = {
    {NH_INIT(NH_TIMER_ID), NH_TIMER_LAYOUT, 1, 0},
};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .threading = NH_THREADING_SERIAL,
    .state_version = STATE_VERSION,
    .id = NH_INIT("sample-role"),
    .version = NH_INIT("0.1.0"),
    .description = NH_INIT("Counts, and reports from time to time."),
    .config_schema = {schema, sizeof schema - 1},
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_timer = on_timer,
    .save = save,
    .load = load,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}
