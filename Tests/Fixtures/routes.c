/* A role whose routes do what the tests of the HTTP server need: echo, pour, wait, misbehave. */
#include <nodehost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef BUILD
#define BUILD 1
#endif

NH_PLUGIN_NOTE("routes", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

enum { HELLO, ECHO, COUNT, POUR, TRAILERS, NEVER, STALL, BAD, LATER, BUILD_NUMBER, FAIL, EARLY, SHORT, TEXT, TICK,
       KINDS };

/* An exchange that goes on behind its request. */
typedef struct open {
  nh_handle exchange;
  uint64_t kind, left, count;
  /* Echo: what could not be written yet. */
  uint8_t *held;
  size_t held_count;
  int ended;
  struct open *next;
} open_t;

typedef struct routes {
  const nh_host *host;
  const nh_http_service *http;
  const nh_timer_service *timer;
  open_t *all;
} routes;

static const struct {
  const char *method, *pattern;
} table[KINDS] = {
    {"GET", "/hello/{name}"}, {"POST", "/echo"},  {"POST", "/count"}, {"GET", "/pour/{bytes}"}, {"GET", "/trailers"},
    {"GET", "/never"},        {"POST", "/stall"}, {"GET", "/bad/{kind}"}, {"GET", "/later/{ms}"}, {"GET", "/build"},
    {"GET", "/fail"},         {"POST", "/early"}, {"GET", "/short"},
    {"GET", "/text/{bytes}"}, {"GET", "/tick"},
};

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
  (void)error;
  routes *self = calloc(1, sizeof *self);
  self->host = host;
  *out = self;
  return NH_OK;
}

static nh_status start(void *role, nh_error *error) {
  routes *self = role;
  self->http = self->host->get_service(self->host, nh_cstr(NH_HTTP_ID), NH_HTTP_LAYOUT);
  self->timer = self->host->get_service(self->host, nh_cstr(NH_TIMER_ID), NH_TIMER_LAYOUT);
  if (!self->http || !self->timer) return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("no services"));
  for (uint64_t i = 0; i < KINDS; i++)
    if (!self->http->route(self->http->ctx, nh_cstr(""), nh_cstr(table[i].method), nh_cstr(table[i].pattern), i + 1))
      return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr(table[i].pattern));
  return NH_OK;
}

static void destroy(void *role) {
  routes *self = role;
  while (self->all) {
    open_t *next = self->all->next;
    free(self->all->held);
    free(self->all);
    self->all = next;
  }
  free(self);
}

static const nh_pair_list none = {NULL, 0};

static void respond(routes *self, nh_handle exchange, uint32_t status, const char *text) {
  nh_pair type = {nh_cstr("content-type"), nh_cstr("text/plain")};
  self->http->respond(self->http->ctx, exchange, status, (nh_pair_list){&type, 1},
                      (nh_bytes){(const uint8_t *)text, strlen(text)}, 1);
}

static open_t *keep(routes *self, const nh_http_event *event, uint64_t kind) {
  open_t *made = calloc(1, sizeof *made);
  made->exchange = event->exchange;
  made->kind = kind;
  made->next = self->all;
  self->all = made;
  return made;
}

static open_t *find(routes *self, nh_handle exchange) {
  open_t *found = self->all;
  while (found && found->exchange != exchange) found = found->next;
  return found;
}

static void forget(routes *self, open_t *gone) {
  open_t **place = &self->all;
  while (*place != gone) place = &(*place)->next;
  *place = gone->next;
  free(gone->held);
  free(gone);
}

static uint64_t number(const nh_http_head *head) {
  char text[32] = {0};
  nh_str value = head->captures.items[0].value;
  memcpy(text, value.ptr, value.len < 31 ? value.len : 31);
  return strtoull(text, NULL, 10);
}

static void pour(routes *self, open_t *it) {
  static uint8_t block[8192];
  if (!block[0]) memset(block, 'x', sizeof block);
  while (it->left) {
    uint64_t count = it->left < sizeof block ? it->left : sizeof block;
    if (self->http->write(self->http->ctx, it->exchange, (nh_bytes){block, count}) != NH_OK) return;
    it->left -= count;
  }
  self->http->finish(self->http->ctx, it->exchange, none);
  forget(self, it);
}

static void bad(routes *self, const nh_http_event *event) {
  nh_str kind = event->head->captures.items[0].value;
  nh_pair pair = {nh_cstr("x-bad"), kind};
  /* The path was decoded, so CR LF may be in it. */
  nh_status status = self->http->respond(self->http->ctx, event->exchange, 200, (nh_pair_list){&pair, 1},
                                         (nh_bytes){(const uint8_t *)"taken", 5}, 1);
  if (status == NH_INVALID_ARGUMENT) respond(self, event->exchange, 500, "refused");
}

static void echo(routes *self, open_t *it, const uint8_t *bytes, size_t count) {
  if (!it->held_count && self->http->write(self->http->ctx, it->exchange, (nh_bytes){bytes, count}) == NH_OK) {
    self->http->credit(self->http->ctx, it->exchange, count);
    return;
  }
  it->held = realloc(it->held, it->held_count + count);
  memcpy(it->held + it->held_count, bytes, count);
  it->held_count += count;
}

static void echo_on(routes *self, open_t *it) {
  size_t count = it->held_count;
  if (count) {
    if (self->http->write(self->http->ctx, it->exchange, (nh_bytes){it->held, count}) != NH_OK) return;
    it->held_count = 0;
    self->http->credit(self->http->ctx, it->exchange, count);
  }
  if (!it->ended) return;
  self->http->finish(self->http->ctx, it->exchange, none);
  forget(self, it);
}

static void request(routes *self, const nh_http_event *event) {
  const nh_http_head *head = event->head;
  char text[256];
  switch (event->token - 1) {
  case HELLO:
    snprintf(text, sizeof text, "hello, %.*s\n", (int)head->captures.items[0].value.len,
             head->captures.items[0].value.ptr);
    respond(self, event->exchange, 200, text);
    break;
  case ECHO: {
    open_t *it = keep(self, event, ECHO);
    self->http->respond(self->http->ctx, event->exchange, 200, none, (nh_bytes){NULL, 0}, 0);
    it->ended = head->ends != 0;
    echo_on(self, it);
    break;
  }
  case COUNT:
    if (head->ends) respond(self, event->exchange, 200, "0");
    else keep(self, event, COUNT);
    break;
  case POUR: {
    open_t *it = keep(self, event, POUR);
    it->left = number(head);
    self->http->respond(self->http->ctx, event->exchange, 200, none, (nh_bytes){NULL, 0}, 0);
    pour(self, it);
    break;
  }
  case TRAILERS: {
    nh_pair trailer = {nh_cstr("x-sum"), nh_cstr("42")};
    self->http->respond(self->http->ctx, event->exchange, 200, none, (nh_bytes){(const uint8_t *)"body", 4}, 0);
    self->http->finish(self->http->ctx, event->exchange, (nh_pair_list){&trailer, 1});
    break;
  }
  case NEVER:
  case STALL: keep(self, event, NEVER); break;
  case BAD: bad(self, event); break;
  case LATER:
    self->timer->once(self->timer->ctx, (int64_t)number(head) * 1000000, event->exchange);
    break;
  case BUILD_NUMBER:
    snprintf(text, sizeof text, "%d", BUILD);
    respond(self, event->exchange, 200, text);
    break;
  case FAIL: self->host->fail(self->host, NH_INTERNAL, nh_cstr("asked to")); break;
  case EARLY: respond(self, event->exchange, 403, "not here\n"); break;
  case TEXT: {
    /* With what a cache and a range would ask for. */
    nh_pair fields[] = {{nh_cstr("content-type"), nh_cstr("text/html; charset=utf-8")},
                        {nh_cstr("etag"), nh_cstr("\"one\"")},
                        {nh_cstr("accept-ranges"), nh_cstr("bytes")}};
    size_t count = number(head);
    uint8_t *body = malloc(count + 1);
    memset(body, 'x', count);
    self->http->respond(self->http->ctx, event->exchange, 200, (nh_pair_list){fields, 3}, (nh_bytes){body, count}, 1);
    free(body);
    break;
  }
  case TICK: {
    nh_pair type = {nh_cstr("content-type"), nh_cstr("text/event-stream")};
    keep(self, event, NEVER);
    self->http->respond(self->http->ctx, event->exchange, 200, (nh_pair_list){&type, 1}, (nh_bytes){NULL, 0}, 0);
    self->http->write(self->http->ctx, event->exchange, (nh_bytes){(const uint8_t *)"data: one\n\n", 11});
    break;
  }
  case SHORT: {
    nh_pair length = {nh_cstr("content-length"), nh_cstr("10")};
    self->http->respond(self->http->ctx, event->exchange, 200, (nh_pair_list){&length, 1},
                        (nh_bytes){(const uint8_t *)"four", 4}, 0);
    self->http->finish(self->http->ctx, event->exchange, none);
    break;
  }
  }
}

static void ended(routes *self, open_t *it) {
  char text[64];
  it->ended = 1;
  if (it->kind == ECHO) return echo_on(self, it);
  if (it->kind != COUNT) return;
  snprintf(text, sizeof text, "%llu", (unsigned long long)it->count);
  respond(self, it->exchange, 200, text);
  forget(self, it);
}

static void on_http(void *role, const nh_http_event *event) {
  routes *self = role;
  if (event->kind == NH_HTTP_REQUEST) return request(self, event);
  open_t *it = find(self, event->exchange);
  if (!it) return;
  switch (event->kind) {
  case NH_HTTP_BODY:
    it->count += event->body.len;
    if (it->kind == ECHO) echo(self, it, event->body.ptr, event->body.len);
    if (it->kind == COUNT) self->http->credit(self->http->ctx, it->exchange, event->body.len);
    break;
  case NH_HTTP_END: ended(self, it); break;
  case NH_HTTP_WRITABLE:
    if (it->kind == ECHO) echo_on(self, it);
    if (it->kind == POUR) pour(self, it);
    break;
  default: forget(self, it);
  }
}

static void on_timer(void *role, nh_handle timer, uint64_t exchange) {
  (void)timer;
  char text[32];
  snprintf(text, sizeof text, "late from %d", BUILD);
  respond(role, exchange, 200, text);
}

/* How many exchanges it knows of. */
static void open_count(void *role, const nh_call *call) {
  int64_t count = 0;
  for (open_t *it = ((routes *)role)->all; it; it = it->next) count++;
  nh_reply_int(call, count);
}

static nh_status save(void *role, const nh_sink *state, nh_error *error) {
  (void)role;
  (void)state;
  (void)error;
  return NH_OK;
}

static nh_status load(void *role, uint32_t version, nh_bytes state, nh_error *error) {
  (void)role;
  (void)version;
  (void)state;
  (void)error;
  return NH_OK;
}

static const nh_method methods[] = {
    {NH_INIT("open"), NH_INIT(""), NH_INIT("l()"), NH_INIT(""), (nh_function)open_count, NH_NATIVE, 0},
};

static const nh_need needs[] = {
    {NH_INIT(NH_HTTP_ID), NH_HTTP_LAYOUT, 1, 0},
    {NH_INIT(NH_TIMER_ID), NH_TIMER_LAYOUT, 1, 0},
};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .id = NH_INIT("routes"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Answers."),
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .state_version = 1,
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_http = on_http,
    .on_timer = on_timer,
    .save = save,
    .load = load,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}
