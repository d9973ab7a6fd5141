/*
 * A role that keeps things in its store. With `run` it writes by itself: commit after commit, each of three keys that
 * must agree, and appends the number of each that was acknowledged to the file `acks` names. -DPLAIN leaves out what
 * goes on for ever.
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
#define SLOTS 64
/* The token of what `measure` writes; others are even, or the number of a commit of `run` and a one. */
#define MEASURED UINT64_MAX

NH_PLUGIN_NOTE("keeper", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

typedef struct asked {
  nh_call call;
  /* What a scan has brought so far. */
  char *text;
  size_t size;
  int64_t count;
  int stops_after;
} asked;

/* What `measure` has still to write, and who waits for it. */
typedef struct measured {
  nh_call call;
  int64_t left;
  int64_t waiting;
  uint64_t random;
} measured;

typedef struct keeper {
  const nh_host *host;
  const nh_store_service *store;
  int acks;
  int64_t next;
  int64_t waiting;
  /* How many commits `load` found to have been answered to the build before. */
  int64_t answered;
  measured measured;
} keeper;

static nh_bytes bytes(const char *text) { return (nh_bytes){(const uint8_t *)text, strlen(text)}; }
static nh_bytes of(nh_str text) { return (nh_bytes){(const uint8_t *)text.ptr, text.len}; }

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  (void)config;
  (void)error;
  keeper *self = calloc(1, sizeof *self);
  self->host = host;
  self->acks = -1;
  *out = self;
  return NH_OK;
}

static nh_status start(void *role, nh_error *error) {
  keeper *self = role;
  self->store = self->host->get_service(self->host, nh_cstr(NH_STORE_ID), NH_STORE_LAYOUT);
  return self->store ? NH_OK : nh_fail(error, NH_UNAVAILABLE, nh_cstr(""), nh_cstr("no store"));
}

static void destroy(void *role) {
  keeper *self = role;
  if (self->acks >= 0) close(self->acks);
  free(self);
}

static asked *remember(const nh_call *call) {
  asked *made = calloc(1, sizeof *made);
  made->call = *call;
  return made;
}

/* A handle of 0 is a limit that was reached. */
static void sent(nh_handle handle, asked *what) {
  if (handle) return;
  nh_reply_error(&what->call, NH_RESOURCE_EXHAUSTED, nh_cstr("too much is waiting"));
  free(what);
}

static void commit(keeper *self, const nh_call *call, const nh_store_operation *operations, uint64_t count) {
  asked *what = remember(call);
  sent(self->store->commit(self->store->ctx, (nh_store_operation_list){operations, count}, (uint64_t)(uintptr_t)what),
       what);
}

static void put(void *role, const nh_call *call, nh_str key, nh_str value) {
  nh_store_operation one = {NH_STORE_PUT, 0, of(key), of(value), 0};
  commit(role, call, &one, 1);
}

static void erase(void *role, const nh_call *call, nh_str key) {
  nh_store_operation one = {NH_STORE_DELETE, 0, of(key), {0, 0}, 0};
  commit(role, call, &one, 1);
}

/* Only if the key is at the revision; the expectation stands behind, and counts all the same. */
static void swap(void *role, const nh_call *call, nh_str key, int64_t revision, nh_str value) {
  nh_store_operation two[] = {{NH_STORE_PUT, 0, of(key), of(value), 0},
                              {NH_STORE_EXPECT, 0, of(key), {0, 0}, (uint64_t)revision}};
  commit(role, call, two, 2);
}

static void wrong(void *role, const nh_call *call, int64_t kind, int64_t key_size) {
  uint8_t *key = calloc(1, (size_t)key_size + 1);
  nh_store_operation one = {(uint32_t)kind, 0, {key, (uint64_t)key_size}, {0, 0}, 0};
  commit(role, call, &one, 1);
  free(key);
}

static void get(void *role, const nh_call *call, nh_str key) {
  keeper *self = role;
  asked *what = remember(call);
  sent(self->store->get(self->store->ctx, of(key), (uint64_t)(uintptr_t)what), what);
}

static void scan(void *role, const nh_call *call, nh_str from, nh_str to, int64_t limit) {
  keeper *self = role;
  asked *what = remember(call);
  sent(self->store->scan(self->store->ctx, of(from), of(to), (uint64_t)limit, (uint64_t)(uintptr_t)what), what);
}

/* Ends a scan of everything after so many entries, or with -1 at once; answers how many it got. */
static void peek(void *role, const nh_call *call, int64_t count) {
  keeper *self = role;
  asked *what = remember(call);
  what->stops_after = (int)count;
  nh_bytes all = {0, 0};
  nh_handle scan = self->store->scan(self->store->ctx, all, all, 0, (uint64_t)(uintptr_t)what);
  sent(scan, what);
  if (scan && count < 0) self->store->cancel(self->store->ctx, scan);
}

/* Asks for so many commits of such a size in one turn; answers how many were taken. */
static void flood(void *role, const nh_call *call, int64_t count, int64_t size) {
  keeper *self = role;
  uint8_t *value = calloc(1, (size_t)size + 1);
  int64_t taken = 0;
  for (int64_t i = 0; i < count; i++) {
    char key[32];
    snprintf(key, sizeof key, "flood%lld", (long long)i);
    nh_store_operation one = {NH_STORE_PUT, 0, bytes(key), {value, (uint64_t)size}, 0};
    taken += self->store->commit(self->store->ctx, (nh_store_operation_list){&one, 1}, 0) != 0;
  }
  free(value);
  nh_reply_int(call, taken);
}

/* One commit of three keys: the slot of the number twice, and the last number. */
static void write_next(keeper *self) {
  int64_t number = self->next++;
  char left[32], right[32], value[32];
  snprintf(left, sizeof left, "left/%02lld", (long long)(number % SLOTS));
  snprintf(right, sizeof right, "right/%02lld", (long long)(number % SLOTS));
  snprintf(value, sizeof value, "%lld", (long long)number);
  nh_store_operation three[] = {{NH_STORE_PUT, 0, bytes(left), bytes(value), 0},
                                {NH_STORE_PUT, 0, bytes(right), bytes(value), 0},
                                {NH_STORE_PUT, 0, bytes("last"), bytes(value), 0}};
  self->waiting++;
  self->store->commit(self->store->ctx, (nh_store_operation_list){three, 3}, (uint64_t)number << 1 | 1);
}

/* Keeps `depth` commits waiting from number `first` on. */
static void run(void *role, const nh_call *call, nh_str acks, int64_t first, int64_t depth) {
  keeper *self = role;
  char path[512];
  snprintf(path, sizeof path, "%.*s", (int)acks.len, acks.ptr);
  self->acks = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  self->next = first;
  for (int64_t i = 0; i < depth; i++) write_next(self);
  nh_reply_int(call, self->acks);
}

/* One key of ten thousand gets a hundred bytes. */
static void write_measured(keeper *self) {
  measured *bench = &self->measured;
  if (bench->left == 0) return;
  bench->left--;
  bench->waiting++;
  bench->random = bench->random * 6364136223846793005u + 1442695040888963407u;
  char key[32], value[100];
  snprintf(key, sizeof key, "key%06u", (unsigned)(bench->random >> 33) % 10000);
  memset(value, (int)(bench->random >> 56), sizeof value);
  nh_store_operation one = {NH_STORE_PUT, 0, bytes(key), {(const uint8_t *)value, sizeof value}, 0};
  self->store->commit(self->store->ctx, (nh_store_operation_list){&one, 1}, MEASURED);
}

/* Writes `count` times with `depth` commits waiting, and answers when all are acknowledged with how many failed. Goes
 * on among the keys where the last time ended. */
static void measure(void *role, const nh_call *call, int64_t count, int64_t depth) {
  keeper *self = role;
  const uint64_t random = self->measured.random;
  self->measured = (measured){*call, count, 0, random ? random : 1};
  self->answered = 0;
  for (int64_t i = 0; i < depth; i++) write_measured(self);
}

static void measured_one(keeper *self, const nh_reply *reply) {
  measured *bench = &self->measured;
  bench->waiting--;
  if (reply->status != NH_OK) self->answered++;
  write_measured(self);
  if (bench->waiting == 0) nh_reply_int(&bench->call, self->answered);
}

static void build(void *role, const nh_call *call) {
  (void)role;
  nh_reply_int(call, BUILD);
}

static void answered(void *role, const nh_call *call) { nh_reply_int(call, ((keeper *)role)->answered); }

static void ran(keeper *self, const nh_reply *reply) {
  self->waiting--;
  if (reply->status != NH_OK) return;
  self->answered++;
  int64_t number = (int64_t)(reply->token >> 1);
  if (self->acks < 0 || write(self->acks, &number, sizeof number) != sizeof number) return;
  write_next(self);
}

static void append(asked *what, const nh_reply *reply) {
  size_t more = reply->key.len + reply->value.slot.hi + 32;
  what->text = realloc(what->text, what->size + more);
  what->size += (size_t)snprintf(what->text + what->size, more, "%.*s=%.*s ", (int)reply->key.len,
                                 (const char *)reply->key.ptr, (int)reply->value.slot.hi,
                                 (const char *)(uintptr_t)reply->value.slot.lo);
}

static void on_reply(void *role, const nh_reply *reply) {
  keeper *self = role;
  if (reply->token == MEASURED) return measured_one(self, reply);
  if (reply->token & 1) return ran(self, reply);
  asked *what = (asked *)(uintptr_t)reply->token;
  if (!what) return;
  if (reply->flags & NH_REPLY_MORE) {
    what->count++;
    if (what->stops_after) {
      if (what->count == what->stops_after) self->store->cancel(self->store->ctx, reply->request);
    } else {
      append(what, reply);
    }
    return;
  }
  if (what->stops_after && reply->status == NH_CANCELLED) {
    nh_reply_int(&what->call, what->count);
  } else if (reply->status != NH_OK) {
    char text[1024];
    int size = snprintf(text, sizeof text, "%.*s%s%.*s", (int)reply->message.len, reply->message.ptr,
                        reply->key.len ? ": " : "", (int)reply->key.len, (const char *)reply->key.ptr);
    nh_reply_error(&what->call, reply->status, nh_text(text, size < 1024 ? (uint64_t)size : 1023));
  } else if (what->text || reply->value.letter == 'b') {
    /* A scan's entries, or a value with its revision behind. */
    if (reply->value.letter == 'b') append(what, reply);
    char *end = what->text + what->size;
    int size = snprintf(end, 32, "@%llu", (unsigned long long)reply->revision_number);
    nh_reply_text(&what->call, nh_text(what->text, what->size + (uint64_t)size));
  } else if (what->call.method == 4) {
    nh_reply_text(&what->call, nh_cstr("nothing"));
  } else {
    nh_reply_int(&what->call, (int64_t)reply->revision_number);
  }
  free(what->text);
  free(what);
}

static nh_status save(void *role, const nh_sink *state, nh_error *error) {
  (void)error;
  keeper *self = role;
  int64_t kept[2] = {self->answered, self->waiting};
  return state->write(state->ctx, (nh_bytes){(const uint8_t *)kept, sizeof kept});
}

/* The last save before a swap comes when no commit waits. */
static nh_status load(void *role, uint32_t version, nh_bytes state, nh_error *error) {
  (void)version;
  (void)error;
  keeper *self = role;
  int64_t kept[2] = {0, 0};
  if (state.len == sizeof kept) memcpy(kept, state.ptr, sizeof kept);
  self->answered = kept[0];
  return NH_OK;
}

static const nh_method methods[] = {
    {NH_INIT("put"), NH_INIT(""), NH_INIT("l(ss)"), NH_INIT("key,value"), (nh_function)put, NH_NATIVE, 0},
    {NH_INIT("erase"), NH_INIT(""), NH_INIT("l(s)"), NH_INIT("key"), (nh_function)erase, NH_NATIVE, 0},
    {NH_INIT("swap"), NH_INIT(""), NH_INIT("l(sls)"), NH_INIT("key,revision,value"), (nh_function)swap, NH_NATIVE, 0},
    {NH_INIT("get"), NH_INIT(""), NH_INIT("s(s)"), NH_INIT("key"), (nh_function)get, NH_NATIVE, 0},
    {NH_INIT("scan"), NH_INIT(""), NH_INIT("s(ssl)"), NH_INIT("from,to,limit"), (nh_function)scan, NH_NATIVE, 0},
    {NH_INIT("peek"), NH_INIT(""), NH_INIT("l(l)"), NH_INIT("count"), (nh_function)peek, NH_NATIVE, 0},
#ifndef PLAIN
    {NH_INIT("flood"), NH_INIT(""), NH_INIT("l(ll)"), NH_INIT("count,size"), (nh_function)flood, NH_NATIVE, 0},
#endif
    {NH_INIT("wrong"), NH_INIT(""), NH_INIT("l(ll)"), NH_INIT("kind,size"), (nh_function)wrong, NH_NATIVE, 0},
#ifndef PLAIN
    {NH_INIT("run"), NH_INIT(""), NH_INIT("l(sll)"), NH_INIT("acks,first,depth"), (nh_function)run, NH_NATIVE, 0},
    {NH_INIT("measure"), NH_INIT(""), NH_INIT("l(ll)"), NH_INIT("count,depth"), (nh_function)measure, NH_NATIVE, 0},
#endif
    {NH_INIT("build"), NH_INIT(""), NH_INIT("l()"), NH_INIT(""), (nh_function)build, NH_NATIVE, 0},
    {NH_INIT("answered"), NH_INIT(""), NH_INIT("l()"), NH_INIT(""), (nh_function)answered, NH_NATIVE, 0},
};

static const nh_need needs[] = {{NH_INIT(NH_STORE_ID), NH_STORE_LAYOUT, 1, 0}};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .state_version = 1,
    .id = NH_INIT("keeper"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Keeps things."),
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_reply = on_reply,
    .save = save,
    .load = load,
};

NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out, nh_error *error) {
  if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
  *out = &plugin;
  return NH_OK;
}
