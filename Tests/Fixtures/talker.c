/* A role that serves every kind of call of gRPC, and makes them. Messages are bytes of no meaning. */
#define _GNU_SOURCE
#include <nodehost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NH_PLUGIN_NOTE("talker", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

/* What the tokens of services mean. */
enum { UNARY = 1, SPLIT, JOIN, CHAT, FAIL, WAIT, ENDED, META, LEFT };
static const char *const names[] = {"", "Unary", "Split", "Join", "Chat", "Fail", "Wait", "Ended", "Meta", "Left"};

/* A call that needs to remember something. */
typedef struct talk {
  nh_handle handle;
  uint64_t done, total;
  char trail[2][256];
  uint64_t trail_len;
  int64_t deadline;
  /* Of a call of one's own. */
  nh_call call;
  char *payload;
  struct talk *next;
} talk;

typedef struct talker {
  const nh_host *host;
  const nh_rpc_service *rpc;
  /* Where it serves. */
  char listener[16];
  talk *talks;
  uint64_t ended;
  nh_status last;
} talker;

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)error;
  talker *self = calloc(1, sizeof *self);
  /* {"listener": "name"} */
  static const char key[] = "\"listener\"";
  const char *end = config.ptr + config.len;
  const char *place = config.len ? memmem(config.ptr, config.len, key, strlen(key)) : NULL;
  if (place)
    for (place += strlen(key); place < end && (*place < 'a' || *place > 'z');) place++;
  for (size_t i = 0; place && place < end && *place != '"' && i < sizeof self->listener - 1;)
    self->listener[i++] = *place++;
  self->host = host;
  *out = self;
  return NH_OK;
}

static nh_status start(void *role, nh_error *error) {
  talker *self = role;
  self->rpc = self->host->get_service(self->host, nh_cstr(NH_RPC_ID), NH_RPC_LAYOUT);
  if (!self->rpc) return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("no rpc"));
  for (uint64_t i = UNARY; i <= LEFT; i++) {
    char path[64];
    snprintf(path, sizeof path, "/interop.Echo/%s", names[i]);
    if (!self->rpc->serve(self->rpc->ctx, nh_cstr(self->listener), nh_cstr(path), i))
      return nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("cannot serve"));
  }
  /* A file "echo.proto" of the package "interop" with a service "Echo" that has no methods. */
  static const uint8_t set[] = "\x0a\x1d\x0a\x0a"
                               "echo.proto\x12\x07interop2\x06\x0a\x04"
                               "Echo";
  return self->rpc->describe(self->rpc->ctx, (nh_bytes){set, sizeof set - 1});
}

static void destroy(void *role) {
  talker *self = role;
  while (self->talks) {
    talk *next = self->talks->next;
    free(self->talks->payload);
    free(self->talks);
    self->talks = next;
  }
  free(self);
}

static talk *begin(talker *self, nh_handle handle) {
  talk *made = calloc(1, sizeof *made);
  made->handle = handle;
  made->next = self->talks;
  return self->talks = made;
}

static talk *find(talker *self, nh_handle handle) {
  talk *found = self->talks;
  while (found && found->handle != handle) found = found->next;
  return found;
}

static void forget(talker *self, nh_handle handle) {
  talk **place = &self->talks;
  while (*place && (*place)->handle != handle) place = &(*place)->next;
  if (!*place) return;
  talk *old = *place;
  *place = old->next;
  free(old->payload);
  free(old);
}

static void finish(talker *self, nh_handle call, nh_status status, nh_str message, nh_bytes details) {
  self->rpc->finish(self->rpc->ctx, call, status, message, (nh_pair_list){0}, details);
  forget(self, call);
}

static void say(talker *self, nh_handle call, const char *text) {
  self->rpc->send(self->rpc->ctx, call, (nh_bytes){(const uint8_t *)text, strlen(text)});
  finish(self, call, NH_OK, nh_cstr(""), (nh_bytes){0});
}

static void split(talker *self, talk *talk) {
  char text[32];
  while (talk->done < talk->total) {
    int length = snprintf(text, sizeof text, "%llu", (unsigned long long)talk->done);
    if (self->rpc->send(self->rpc->ctx, talk->handle, (nh_bytes){(uint8_t *)text, (uint64_t)length}) != NH_OK) return;
    talk->done++;
  }
  finish(self, talk->handle, NH_OK, nh_cstr(""), (nh_bytes){0});
}

static uint64_t number(nh_bytes bytes) {
  uint64_t value = 0;
  for (uint64_t i = 0; i < bytes.len; i++) value = value * 10 + (uint64_t)(bytes.ptr[i] - '0');
  return value;
}

static int begins(nh_str text, const char *with) {
  return text.len >= strlen(with) && memcmp(text.ptr, with, strlen(with)) == 0;
}

/* Metadata that begins with "x-echo" comes back before the answer, the value of "x-trail-bin" behind it. */
static void meta(talker *self, const nh_rpc_event *event) {
  nh_pair pairs[8];
  uint64_t count = 0;
  talk *made = begin(self, event->call);
  made->deadline = event->deadline_ns;
  for (uint64_t i = 0; i < event->metadata.count; i++) {
    const nh_pair *pair = &event->metadata.items[i];
    if (begins(pair->name, "x-echo") && count < 8) pairs[count++] = *pair;
    if (begins(pair->name, "x-trail-bin") && pair->value.len < 256) {
      memcpy(made->trail[0], pair->value.ptr, pair->value.len);
      made->trail_len = pair->value.len;
    }
  }
  self->rpc->metadata(self->rpc->ctx, event->call, (nh_pair_list){pairs, count});
}

static void served(talker *self, const nh_rpc_event *event) {
  const nh_rpc_service *rpc = self->rpc;
  talk *talk;
  int64_t left;
  char text[64];
  switch (event->kind) {
  case NH_RPC_CALL:
    if (event->token == META) meta(self, event);
    if (event->token == JOIN || event->token == CHAT || event->token == SPLIT) begin(self, event->call);
    if (event->token == LEFT) begin(self, event->call)->deadline = event->deadline_ns;
    break;
  case NH_RPC_MESSAGE:
    talk = event->token == UNARY ? NULL : find(self, event->call);
    switch (event->token) {
    case UNARY:
      rpc->send(rpc->ctx, event->call, event->payload);
      rpc->finish(rpc->ctx, event->call, NH_OK, (nh_str){0}, (nh_pair_list){0}, (nh_bytes){0});
      break;
    case SPLIT:
      talk->total = number(event->payload);
      split(self, talk);
      break;
    case JOIN:
      talk->total += event->payload.len;
      rpc->credit(rpc->ctx, event->call, 1);
      break;
    case CHAT:
      /* With the other side not reading, the next message is only asked for when there is room again. */
      rpc->send(rpc->ctx, event->call, event->payload);
      rpc->credit(rpc->ctx, event->call, 1);
      break;
    case FAIL:
      finish(self, event->call, NH_FAILED_PRECONDITION, nh_cstr("100% wrong\n\xc3\xa4"), event->payload);
      break;
    case ENDED:
      snprintf(text, sizeof text, "%llu %d", (unsigned long long)self->ended, (int)self->last);
      say(self, event->call, text);
      break;
    case LEFT:
      left = talk->deadline ? talk->deadline - self->host->now(self->host, NH_CLOCK_MONOTONIC) : 0;
      snprintf(text, sizeof text, "%lld", (long long)left / 1000000);
      say(self, event->call, text);
      break;
    case META: {
      nh_pair trail = {nh_cstr("x-trail-bin"), nh_text(talk->trail[0], talk->trail_len)};
      rpc->send(rpc->ctx, event->call, event->payload);
      rpc->finish(rpc->ctx, event->call, NH_OK, nh_cstr(""), (nh_pair_list){&trail, 1}, (nh_bytes){0});
      forget(self, event->call);
      break;
    }
    }
    break;
  case NH_RPC_HALF_CLOSE:
    if (event->token == JOIN) {
      snprintf(text, sizeof text, "%llu", (unsigned long long)find(self, event->call)->total);
      say(self, event->call, text);
    }
    if (event->token == CHAT) finish(self, event->call, NH_OK, nh_cstr(""), (nh_bytes){0});
    break;
  case NH_RPC_WRITABLE:
    if (event->token == SPLIT) split(self, find(self, event->call));
    break;
  case NH_RPC_END:
    self->ended++;
    self->last = event->status;
    forget(self, event->call);
    break;
  }
}

/* Calls of its own: each message that comes back lets the next one go. */
static void answered(talker *self, const nh_rpc_event *event) {
  talk *talk = find(self, event->call);
  const nh_rpc_service *rpc = self->rpc;
  char text[512];
  switch (event->kind) {
  case NH_RPC_METADATA: talk->deadline = (int64_t)event->metadata.count; break;
  case NH_RPC_MESSAGE:
    talk->trail_len += event->payload.len;
    talk->done++;
    if (talk->payload && strcmp(talk->payload, "cancel") == 0) {
      rpc->cancel(rpc->ctx, event->call);
      break;
    }
    if (talk->done < talk->total)
      rpc->send(rpc->ctx, event->call, (nh_bytes){(uint8_t *)talk->payload, strlen(talk->payload)});
    else if (talk->total > 0)
      rpc->finish(rpc->ctx, event->call, NH_OK, nh_cstr(""), (nh_pair_list){0}, (nh_bytes){0});
    rpc->credit(rpc->ctx, event->call, 1);
    break;
  case NH_RPC_END:
    snprintf(text, sizeof text, "status %d, %llu messages, %llu bytes, %lld before, %llu behind: %.*s",
             (int)event->status, (unsigned long long)talk->done, (unsigned long long)talk->trail_len,
             (long long)talk->deadline, (unsigned long long)event->metadata.count, (int)event->message.len,
             event->message.ptr ? event->message.ptr : "");
    nh_reply_text(&talk->call, nh_cstr(text));
    forget(self, event->call);
    break;
  }
}

static void on_rpc(void *role, const nh_rpc_event *event) {
  if (event->token) served(role, event);
  else answered(role, event);
}

/* `messages` of 0 is a unary call. */
static void call(void *role, const nh_call *call, nh_str target, nh_str path, nh_str payload, int64_t messages,
                 int64_t milliseconds, int64_t retries, int64_t waits, int64_t gzip) {
  talker *self = role;
  char words[256];
  nh_error error = {.struct_size = sizeof error, .message = words, .message_capacity = sizeof words};
  nh_pair pairs[] = {{nh_cstr("grpc-encoding"), nh_cstr("gzip")},
                     {nh_cstr("x-echo-word"), nh_cstr("hello")},
                     {nh_cstr("x-echo-bin"), nh_text("\x00\xff\x01", 3)}};
  nh_rpc_request request = {
      .struct_size = sizeof request, .revision = NH_ABI_REVISION, .target = target, .path = path,
      .metadata = {gzip ? pairs : pairs + 1, gzip ? 3 : 2}, .payload = {(const uint8_t *)payload.ptr, payload.len},
      .timeout_ns = milliseconds * 1000000, .ends = messages == 0, .waits = (uint32_t)waits,
      .retries = (uint32_t)retries};
  nh_handle handle = self->rpc->call(self->rpc->ctx, &request, 0, &error);
  if (!handle) {
    nh_reply_error(call, error.code, nh_text(words, error.message_len));
    return;
  }
  talk *talk = begin(self, handle);
  talk->call = *call;
  talk->total = (uint64_t)messages;
  talk->payload = calloc(1, payload.len + 1);
  if (payload.len) memcpy(talk->payload, payload.ptr, payload.len);
}

static const nh_method methods[] = {
    {NH_INIT("call"), NH_INIT(""), NH_INIT("s(ssslllll)"),
     NH_INIT("target,path,payload,messages,milliseconds,retries,waits,gzip"), (nh_function)call, NH_NATIVE, 0},
};

static const nh_need needs[] = {{NH_INIT(NH_RPC_ID), NH_RPC_LAYOUT, 1, 0}};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .id = NH_INIT("talker"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Talks."),
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .config_schema = NH_INIT("{\"type\":\"object\",\"additionalProperties\":false,\"properties\":"
                             "{\"listener\":{\"type\":\"string\",\"pattern\":\"^[a-z]{0,15}$\",\"default\":\"\"}}}"),
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_rpc = on_rpc,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}
