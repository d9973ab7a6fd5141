/* A host for one role, for tests: time stands still until a test moves it, and what the role logs and answers is kept.
 * It has the timer service; give it more as your role needs more. */
#include <nodehost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_TIMERS 16

typedef struct fake_host {
  nh_host host;
  nh_timer_service timers;
  nh_answer answer;
  const nh_plugin *plugin;
  void *role;
  int64_t now_ns;
  /* A timer is free if its handle is 0. */
  struct {
    nh_handle handle;
    int64_t due_ns, period_ns;
    uint64_t token;
  } timer[FAKE_TIMERS];
  nh_handle last_handle;
  /* The last line of the log, and how the last call ended. */
  char log[256];
  nh_status status;
  nh_value value;
  /* What a role function said when it failed. */
  nh_error error;
  /* What save wrote. */
  uint8_t state[4096];
  uint64_t state_len;
} fake_host;

static void fake_log(const nh_host *host, uint32_t level, nh_str message, nh_json fields) {
  fake_host *fake = host->ctx;
  (void)level, (void)fields;
  snprintf(fake->log, sizeof fake->log, "%.*s", (int)message.len, message.ptr);
}

static void fake_failure(const nh_host *host, nh_status code, nh_str message) {
  (void)host;
  fprintf(stderr, "the role gave up with status %d: %.*s\n", code, (int)message.len, message.ptr);
  exit(1);
}

static int64_t fake_now(const nh_host *host, uint32_t clock) {
  (void)clock;
  return ((fake_host *)host->ctx)->now_ns;
}

static uint32_t fake_thread(const nh_host *host) {
  (void)host;
  return 1;
}

static const void *fake_service(const nh_host *host, nh_str id, uint64_t layout) {
  fake_host *fake = host->ctx;
  const nh_str timer = NH_STR(NH_TIMER_ID);
  const int same = id.len == timer.len && memcmp(id.ptr, timer.ptr, id.len) == 0;
  return same && layout == NH_TIMER_LAYOUT ? &fake->timers : NULL;
}

static nh_handle fake_every(void *ctx, int64_t delay_ns, int64_t period_ns, uint64_t token) {
  fake_host *fake = ctx;
  for (int i = 0; i < FAKE_TIMERS; i++) {
    if (fake->timer[i].handle) continue;
    fake->timer[i].handle = ++fake->last_handle;
    fake->timer[i].due_ns = fake->now_ns + delay_ns;
    fake->timer[i].period_ns = period_ns;
    fake->timer[i].token = token;
    return fake->last_handle;
  }
  return 0;
}

static nh_handle fake_once(void *ctx, int64_t delay_ns, uint64_t token) { return fake_every(ctx, delay_ns, 0, token); }

static nh_status fake_cancel(void *ctx, nh_handle timer) {
  fake_host *fake = ctx;
  for (int i = 0; i < FAKE_TIMERS; i++) {
    if (!timer || fake->timer[i].handle != timer) continue;
    fake->timer[i].handle = 0;
    return NH_OK;
  }
  return NH_NOT_FOUND;
}

static int64_t fake_remaining(void *ctx, nh_handle timer) {
  fake_host *fake = ctx;
  for (int i = 0; i < FAKE_TIMERS; i++)
    if (timer && fake->timer[i].handle == timer) return fake->timer[i].due_ns - fake->now_ns;
  return -1;
}

static nh_status fake_reply(void *ctx, nh_handle call, nh_value value) {
  fake_host *fake = ctx;
  (void)call;
  fake->status = NH_OK;
  fake->value = value;
  return NH_OK;
}

static nh_status fake_fail(void *ctx, nh_handle call, nh_status code, nh_str message) {
  fake_host *fake = ctx;
  (void)call, (void)message;
  fake->status = code;
  return NH_OK;
}

static nh_status fake_write(void *ctx, nh_bytes piece) {
  fake_host *fake = ctx;
  if (fake->state_len + piece.len > sizeof fake->state) return NH_RESOURCE_EXHAUSTED;
  if (piece.len) memcpy(fake->state + fake->state_len, piece.ptr, piece.len);
  fake->state_len += piece.len;
  return NH_OK;
}

/* A created role. The configuration must be whole: only a node fills in defaults. */
static fake_host *fake_create(const char *config) {
  fake_host *fake = calloc(1, sizeof *fake);
  const nh_host_offer offer = {sizeof offer, 1, NH_ABI_MAJOR, NH_ABI_MAJOR, 1, NH_ABI_REVISION, NH_BASE_LAYOUT,
                               nh_cstr("fake"), nh_cstr("1")};
  fake->error = (nh_error){.struct_size = sizeof(nh_error), .revision = 1};
  fake->host = (nh_host){sizeof(nh_host), 1, fake, nh_cstr("role"), nh_cstr("node"), 1, 0,
                         fake_service, fake_log, fake_failure, fake_now, fake_thread};
  fake->timers = (nh_timer_service){sizeof(nh_timer_service), 1, fake, fake_once, fake_every, fake_cancel,
                                    fake_remaining};
  fake->answer = (nh_answer){sizeof(nh_answer), 1, fake, fake_reply, fake_fail};
  if (nh_plugin_query(&offer, &fake->plugin, &fake->error) != NH_OK ||
      fake->plugin->create(&fake->host, (nh_json){config, strlen(config)}, &fake->role, &fake->error) != NH_OK) {
    fprintf(stderr, "the role was not created\n");
    exit(1);
  }
  return fake;
}

static nh_status fake_start(fake_host *fake) { return fake->plugin->start(fake->role, &fake->error); }

static void fake_destroy(fake_host *fake) {
  fake->plugin->destroy(fake->role);
  free(fake);
}

/* A method's function, to be cast to its signature. */
static nh_function fake_method(const fake_host *fake, const char *name) {
  for (uint64_t i = 0; i < fake->plugin->methods.count; i++) {
    const nh_method *method = &fake->plugin->methods.items[i];
    if (method->name.len == strlen(name) && memcmp(method->name.ptr, name, method->name.len) == 0)
      return method->function;
  }
  fprintf(stderr, "there is no method %s\n", name);
  exit(1);
}

/* Time moves on, and timers run out in order. */
static void fake_advance(fake_host *fake, int64_t ns) {
  const int64_t end = fake->now_ns + ns;
  for (;;) {
    int next = -1;
    for (int i = 0; i < FAKE_TIMERS; i++)
      if (fake->timer[i].handle && fake->timer[i].due_ns <= end &&
          (next < 0 || fake->timer[i].due_ns < fake->timer[next].due_ns))
        next = i;
    if (next < 0) break;
    const nh_handle handle = fake->timer[next].handle;
    fake->now_ns = fake->timer[next].due_ns;
    fake->timer[next].due_ns += fake->timer[next].period_ns;
    if (!fake->timer[next].period_ns) fake->timer[next].handle = 0;
    fake->plugin->on_timer(fake->role, handle, fake->timer[next].token);
  }
  fake->now_ns = end;
}
