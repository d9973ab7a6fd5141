/* A role that sends messages to other nodes, and counts those that come. */
#include <nodehost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

NH_PLUGIN_NOTE("mailer", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

#define NODES 16
#define CHANNELS 4

typedef struct counts {
  uint64_t messages, bytes, disorder, damaged;
  uint64_t last[NODES][CHANNELS];
} counts;

typedef struct mailer {
  const nh_host *host;
  const nh_peers_service *peers;
  const nh_roles_service *roles;
  counts counts;
  int64_t ups, downs, bulk_before_urgent;
  char from[64], text[64];
  uint8_t *room;
  uint64_t sent;
  nh_call asking;
  nh_handle asked;
} mailer;

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
  (void)error;
  mailer *self = calloc(1, sizeof *self);
  self->host = host;
  self->bulk_before_urgent = -1;
  self->room = calloc(1, 16 << 20);
  *out = self;
  return NH_OK;
}

static nh_status start(void *role, nh_error *error) {
  mailer *self = role;
  self->peers = self->host->get_service(self->host, nh_cstr(NH_PEERS_ID), NH_PEERS_LAYOUT);
  self->roles = self->host->get_service(self->host, nh_cstr(NH_ROLES_ID), NH_ROLES_LAYOUT);
  return self->peers && self->roles ? NH_OK : nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("no peers"));
}

static void destroy(void *role) {
  mailer *self = role;
  free(self->room);
  free(self);
}

static void copy(char *room, size_t size, const void *bytes, uint64_t len) {
  if (len >= size) len = size - 1;
  memcpy(room, bytes, len);
  room[len] = 0;
}

/* Numbered messages begin with their number; the last byte repeats its lowest one. */
static void on_message(void *role, const nh_message *message) {
  mailer *self = role;
  self->counts.messages++;
  self->counts.bytes += message->payload.len;
  copy(self->from, sizeof self->from, message->from_role.ptr, message->from_role.len);
  if (message->channel >= CHANNELS || message->payload.len < 9 || message->from_node >= NODES) {
    copy(self->text, sizeof self->text, message->payload.ptr, message->payload.len);
    return;
  }
  uint64_t number;
  memcpy(&number, message->payload.ptr, 8);
  if (message->payload.ptr[message->payload.len - 1] != (uint8_t)number) self->counts.damaged++;
  uint64_t *last = &self->counts.last[message->from_node][message->channel];
  if (number <= *last) self->counts.disorder++;
  *last = number;
  if (message->channel == NH_PEER_URGENT && self->bulk_before_urgent < 0)
    self->bulk_before_urgent = (int64_t)self->counts.messages - 1;
}

static void on_event(void *role, const nh_event *event) {
  mailer *self = role;
  if (event->kind == NH_EVENT_LINK_UP) self->ups++;
  if (event->kind == NH_EVENT_LINK_DOWN) {
    self->downs++;
    /* Order is promised while a link is up; a node that comes back counts from one again. */
    if (event->number < NODES) memset(self->counts.last[event->number], 0, sizeof self->counts.last[0]);
  }
}

static void send(void *role, const nh_call *call, uint32_t node, nh_str to, uint32_t channel, uint32_t priority,
                 nh_str text) {
  mailer *self = role;
  nh_bytes payload = {(const uint8_t *)text.ptr, text.len};
  nh_reply_int(call, self->peers->send(self->peers->ctx, node, to, channel, priority, payload));
}

/* Sends messages of a size until one is refused; how many were taken. The channel is the priority. */
static void flood(void *role, const nh_call *call, uint32_t node, nh_str to, uint32_t priority, int64_t count,
                  int64_t size) {
  mailer *self = role;
  int64_t taken = 0;
  for (; taken < count; taken++) {
    self->sent++;
    memcpy(self->room, &self->sent, 8);
    self->room[size - 1] = (uint8_t)self->sent;
    nh_bytes payload = {self->room, (uint64_t)size};
    nh_status status = self->peers->send(self->peers->ctx, node, to, priority, priority, payload);
    self->room[size - 1] = 0;
    if (status != NH_OK) break;
  }
  nh_reply_int(call, taken);
}

static void seen(void *role, const nh_call *call) {
  mailer *self = role;
  char text[512];
  counts *c = &self->counts;
  int length = snprintf(text, sizeof text,
                        "{\"messages\":%llu,\"bytes\":%llu,\"disorder\":%llu,\"damaged\":%llu,\"ups\":%lld,"
                        "\"downs\":%lld,\"before_urgent\":%lld,\"from\":\"%s\",\"text\":\"%s\"}",
                        (unsigned long long)c->messages, (unsigned long long)c->bytes,
                        (unsigned long long)c->disorder, (unsigned long long)c->damaged, (long long)self->ups,
                        (long long)self->downs, (long long)self->bulk_before_urgent, self->from, self->text);
  nh_reply_json(call, (nh_str){text, (uint64_t)length});
}

static nh_status take(void *context, nh_bytes piece) {
  nh_reply_json(context, (nh_str){(const char *)piece.ptr, piece.len});
  return NH_OK;
}

static void nodes(void *role, const nh_call *call) {
  mailer *self = role;
  nh_sink sink = {sizeof sink, NH_ABI_REVISION, (void *)call, take};
  self->peers->nodes(self->peers->ctx, &sink);
}

static void up(void *role, const nh_call *call, uint32_t node) {
  mailer *self = role;
  nh_reply_bool(call, self->peers->is_up(self->peers->ctx, node) != 0);
}

/* Says at a socket that it is busy, and is so until it hears something from there. */
static void hold(void *role, const nh_call *call, int64_t socket) {
  (void)role;
  char byte = 0;
  int64_t said = write((int)socket, &byte, 1);
  nh_reply_int(call, said == 1 ? read((int)socket, &byte, 1) : said);
}

static void twice(void *role, const nh_call *call, int64_t number) {
  (void)role;
  nh_reply_int(call, 2 * number);
}

static void never(void *role, const nh_call *call, int64_t number) {
  (void)role;
  (void)call;
  (void)number;
}

static void ask(void *role, const nh_call *call, nh_str node, nh_str target, nh_str method, int64_t number,
                int64_t milliseconds) {
  mailer *self = role;
  nh_value argument = nh_make_value('l', (uint64_t)number, 0);
  nh_value_list arguments = {&argument, 1};
  self->asking = *call;
  self->asked = self->roles->call(self->roles->ctx, target, node, method, arguments, milliseconds * 1000000, 7);
}

static void give_up(void *role, const nh_call *call) {
  mailer *self = role;
  nh_reply_int(call, self->roles->cancel(self->roles->ctx, self->asked));
}

static void on_reply(void *role, const nh_reply *reply) {
  mailer *self = role;
  if (reply->status == NH_OK) nh_reply_int(&self->asking, (int64_t)reply->value.slot.lo);
  else nh_reply_error(&self->asking, reply->status, reply->message);
}

static nh_status save(void *role, const nh_sink *state, nh_error *error) {
  (void)error;
  mailer *self = role;
  return state->write(state->ctx, (nh_bytes){(const uint8_t *)&self->counts, sizeof self->counts});
}

static nh_status load(void *role, uint32_t version, nh_bytes state, nh_error *error) {
  mailer *self = role;
  if (version != 1 || state.len != sizeof self->counts)
    return nh_fail(error, NH_INVALID_ARGUMENT, nh_cstr(""), nh_cstr("another state"));
  memcpy(&self->counts, state.ptr, sizeof self->counts);
  return NH_OK;
}

static const nh_method methods[] = {
    {NH_INIT("send"), NH_INIT(""), NH_INIT("l(IsIIs)"), NH_INIT("node,role,channel,priority,text"), (nh_function)send,
     NH_NATIVE, 0},
    {NH_INIT("flood"), NH_INIT(""), NH_INIT("l(IsIll)"), NH_INIT("node,role,priority,count,size"),
     (nh_function)flood, NH_NATIVE, 0},
    {NH_INIT("seen"), NH_INIT(""), NH_INIT("j()"), NH_INIT(""), (nh_function)seen, NH_NATIVE, 0},
    {NH_INIT("nodes"), NH_INIT(""), NH_INIT("j()"), NH_INIT(""), (nh_function)nodes, NH_NATIVE, 0},
    {NH_INIT("up"), NH_INIT(""), NH_INIT("z(I)"), NH_INIT("node"), (nh_function)up, NH_NATIVE, 0},
    {NH_INIT("hold"), NH_INIT(""), NH_INIT("l(l)"), NH_INIT("socket"), (nh_function)hold, NH_NATIVE, 0},
    {NH_INIT("twice"), NH_INIT(""), NH_INIT("l(l)"), NH_INIT("number"), (nh_function)twice, NH_NATIVE, 0},
    {NH_INIT("never"), NH_INIT(""), NH_INIT("l(l)"), NH_INIT("number"), (nh_function)never, NH_NATIVE, 0},
    {NH_INIT("ask"), NH_INIT(""), NH_INIT("l(sssll)"), NH_INIT("node,target,method,number,milliseconds"),
     (nh_function)ask, NH_NATIVE, 0},
    {NH_INIT("give_up"), NH_INIT(""), NH_INIT("l()"), NH_INIT(""), (nh_function)give_up, NH_NATIVE, 0},
};

static const nh_need needs[] = {
    {NH_INIT(NH_PEERS_ID), NH_PEERS_LAYOUT, 1, 0},
    {NH_INIT(NH_ROLES_ID), NH_ROLES_LAYOUT, 1, 0},
};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .state_version = 1,
    .id = NH_INIT("mailer"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Sends and counts."),
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_message = on_message,
    .on_reply = on_reply,
    .on_event = on_event,
    .save = save,
    .load = load,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}
