/*
 * A replicated atomic register for each key: ABD with many writers, known to be right, so that a checker of histories
 * has something to agree with, and wrong in one way for each -DBROKEN_... below, so that it has something to find.
 *
 * The nodes 1 to `members` are replicas. A write asks a majority for their versions and then stores its value under a
 * greater one at a majority. A read asks a majority and then stores the newest of what it found at a majority, since
 * a later read may ask others. A replica may answer with what is not durable yet: whoever reads it stores it at a
 * majority before he tells, and an acknowledgement is always of what is durable.
 *
 *   BROKEN_NO_WRITE_BACK    a read tells what it found at once
 *   BROKEN_ACK_BEFORE_SYNC  a replica acknowledges what is not durable yet
 *   BROKEN_SMALL_QUORUM     two majorities need not meet
 *   BROKEN_OWN_TIMESTAMP    a write asks nobody but its own replica
 *   BROKEN_FORGETS          a replica does not read its store when it starts
 *   BROKEN_LATE_ANSWER      an answer counts for whatever operation has its place now
 */
#define _GNU_SOURCE
#include <nodehost.h>
#include <stdlib.h>
#include <string.h>

NH_PLUGIN_NOTE("register", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);

#define OPERATIONS_MOST 1024
/* As many commits as the host lets wait. */
#define COMMITS_MOST 4096
#define KEY_MOST 1000
#define VALUE_MOST (1u << 20)
#define BUCKETS 4096
#define AGAIN_NS 500000000
#define STATE_VERSION 1

/*
 * Greater means newer. A number alone would not do: two writers may find the same. Neither would a number and a node:
 * of two writes of one node at once, or before and after it was restarted, neither need have found the other.
 */
typedef struct version {
  uint64_t number;
  uint64_t operation;
  uint32_t node;
  uint32_t reserved;
} version;

/* Begins every message; a key and a value follow, each of which may be empty. Numbers are little-endian. */
typedef struct header {
  uint32_t kind;
  /* The place of the operation at the node that asks, and its id; an answer repeats both. */
  uint32_t place;
  uint64_t operation;
  version version;
  uint32_t key_size;
  uint32_t reserved;
} header;

/* Kinds of messages: two questions, and the answer to each. */
enum { ASK = 1, FOUND, STORE, STORED };

typedef struct text {
  char *bytes;
  uint64_t size;
} text;

/* What a replica keeps of a key. */
typedef struct entry {
  struct entry *next;
  text key, value;
  version version, durable;
} entry;

/* A request to store that waits for its commit. */
typedef struct waiting {
  entry *entry;
  version version;
  uint32_t node, place;
  uint64_t operation;
  uint32_t next_free;
} waiting;

/* A read or a write of this node. `id` is 0 if the place is free. */
typedef struct operation {
  nh_call call;
  uint64_t id;
  /* What it waits for: FOUND, then STORED. */
  uint32_t phase;
  int is_write;
  /* Bit n stands for the node n + 1. */
  uint64_t answered;
  text key, value;
  version version;
  nh_handle timer;
  uint32_t next_free;
} operation;

typedef struct replica {
  const nh_host *host;
  const nh_store_service *store;
  const nh_peers_service *peers;
  const nh_timer_service *timers;
  const nh_random_service *random;
  uint32_t members;
  /* Whether memory has what the store has; if not, whether the store must still be asked for it. */
  int is_ready, must_read;
  /* Places that are free, as lists; OPERATIONS_MOST and COMMITS_MOST end them. */
  uint32_t free_operation, free_waiting;
  /* Where a message or a record is put together. */
  uint8_t *room;
  uint64_t room_size;
  entry *entries[BUCKETS];
  operation operations[OPERATIONS_MOST];
  waiting waiting[COMMITS_MOST];
} replica;

/* The token of the scan at the start; commits have their place and one. */
#define SCAN 0

/* Small things */

static int is_newer(version left, version right) {
  if (left.number != right.number) return left.number > right.number;
  if (left.node != right.node) return left.node > right.node;
  return left.operation > right.operation;
}

static void copy(void *to, const void *from, uint64_t size) {
  if (size) memcpy(to, from, size);
}

/* Whether there was memory for it. What `to` had is freed then. */
static int set(text *to, const void *bytes, uint64_t size) {
  char *made = malloc(size ? size : 1);
  if (!made) return 0;
  copy(made, bytes, size);
  free(to->bytes);
  *to = (text){made, size};
  return 1;
}

/* So many bytes to write into, or null. */
static uint8_t *room(replica *self, uint64_t size) {
  if (size > self->room_size) {
    uint8_t *grown = realloc(self->room, size);
    if (!grown) return NULL;
    self->room = grown;
    self->room_size = size;
  }
  return self->room;
}

/* Entries */

/* Where the entry of the key is, or would have to be put. */
static entry **find(replica *self, const char *key, uint64_t size) {
  uint64_t hash = 14695981039346656037u;
  for (uint64_t i = 0; i < size; i++) hash = (hash ^ (uint8_t)key[i]) * 1099511628211u;
  entry **place = &self->entries[(hash ^ hash >> 32) % BUCKETS];
  while (*place && ((*place)->key.size != size || memcmp((*place)->key.bytes, key, size) != 0))
    place = &(*place)->next;
  return place;
}

/* The entry of the key, made if there is none. */
static entry *entry_of(replica *self, const char *key, uint64_t size) {
  entry **place = find(self, key, size);
  if (*place) return *place;
  entry *made = calloc(1, sizeof *made);
  if (!made) return NULL;
  if (!set(&made->key, key, size)) {
    free(made);
    return NULL;
  }
  return *place = made;
}

/* Takes the value if it is newer. Whether the entry is as new as this now. */
static int take(entry *entry, version version, const void *value, uint64_t size) {
  if (!is_newer(version, entry->version)) return 1;
  if (!set(&entry->value, value, size)) return 0;
  entry->version = version;
  return 1;
}

/* Messages */

static void send(replica *self, uint32_t node, header header, text key, text value) {
  header.key_size = (uint32_t)key.size;
  uint64_t size = sizeof header + key.size + value.size;
  uint8_t *to = room(self, size);
  if (!to) return;
  memcpy(to, &header, sizeof header);
  copy(to + sizeof header, key.bytes, key.size);
  copy(to + sizeof header + key.size, value.bytes, value.size);
  /* What is not taken, like what is lost, is asked for again. */
  self->peers->send(self->peers->ctx, node, nh_cstr(""), 0, NH_PEER_NORMAL, (nh_bytes){to, size});
}

/* The store, read whole */

static int read_store(replica *self) {
  self->must_read = 0;
#ifdef BROKEN_FORGETS
  return self->is_ready = 1;
#else
  nh_bytes all = {NULL, 0};
  return self->store->scan(self->store->ctx, all, all, 0, SCAN) != 0;
#endif
}

/*
 * At the start of what a running role is called for. A role that is called after save was swapped, and came back: the
 * build that had its place may have stored more, and acknowledged it.
 */
static void resume(replica *self) {
  if (self->must_read && !read_store(self))
    self->host->fail(self->host, NH_RESOURCE_EXHAUSTED, NH_STR("the store cannot be read now"));
}

static void remember(replica *self, const nh_reply *reply) {
  const uint8_t *value = (const uint8_t *)(uintptr_t)reply->value.slot.lo;
  uint64_t size = reply->value.slot.hi;
  version version;
  if (reply->key.len == 0 || reply->value.letter != 'b' || size < sizeof version) {
    self->host->fail(self->host, NH_DATA_LOSS, NH_STR("the store has a record that is none of a register"));
    return;
  }
  memcpy(&version, value, sizeof version);
  entry *entry = entry_of(self, (const char *)reply->key.ptr + 1, reply->key.len - 1);
  if (!entry || !take(entry, version, value + sizeof version, size - sizeof version)) {
    self->host->fail(self->host, NH_RESOURCE_EXHAUSTED, NH_STR("there is no memory for what the store has"));
    return;
  }
  if (is_newer(version, entry->durable)) entry->durable = version;
}

static void scanned(replica *self, const nh_reply *reply) {
  if (reply->flags & NH_REPLY_MORE) remember(self, reply);
  else if (reply->status == NH_OK) self->is_ready = !self->must_read;
  /* A swap did not wait for it. */
  else if (reply->status == NH_CANCELLED) self->must_read = 1;
  else self->host->fail(self->host, reply->status, reply->message);
}

/* Operations */

static void release(replica *self, operation *done) {
  if (done->timer) self->timers->cancel(self->timers->ctx, done->timer);
  free(done->key.bytes);
  free(done->value.bytes);
  *done = (operation){.next_free = self->free_operation};
  self->free_operation = (uint32_t)(done - self->operations);
}

static void refuse(replica *self, operation *done, const char *why) {
  nh_reply_error(&done->call, NH_RESOURCE_EXHAUSTED, nh_cstr(why));
  release(self, done);
}

static void succeed(replica *self, operation *done) {
  if (done->is_write) nh_reply_nothing(&done->call);
  else nh_reply_text(&done->call, nh_text(done->value.bytes, done->value.size));
  release(self, done);
}

/* Asks those that have not answered. */
static void ask(replica *self, operation *asking) {
  header question = {.kind = asking->phase == FOUND ? ASK : STORE,
                     .place = (uint32_t)(asking - self->operations),
                     .operation = asking->id,
                     .version = asking->version};
  text none = {NULL, 0};
  for (uint32_t node = 1; node <= self->members; node++)
    if (!(asking->answered >> (node - 1) & 1))
      send(self, node, question, asking->key, asking->phase == STORED ? asking->value : none);
}

static void enter(replica *self, operation *asking, uint32_t phase) {
  asking->phase = phase;
  asking->answered = 0;
  if (asking->timer) self->timers->cancel(self->timers->ctx, asking->timer);
  uint64_t token = (uint64_t)(asking - self->operations);
  asking->timer = self->timers->every(self->timers->ctx, AGAIN_NS, AGAIN_NS, token);
  if (asking->timer) ask(self, asking);
  else refuse(self, asking, "there are too many timers; try again later");
}

static void store_it(replica *self, operation *asking) {
  if (asking->is_write) {
    asking->version.number++;
    asking->version.node = self->host->node_id;
    asking->version.operation = asking->id;
  } else if (asking->version.number == 0) {
    /* Nobody need be told that nothing was written. */
    return succeed(self, asking);
  }
#ifdef BROKEN_NO_WRITE_BACK
  if (!asking->is_write) return succeed(self, asking);
#endif
  enter(self, asking, STORED);
}

static int is_enough(const replica *self, uint64_t answered) {
#ifdef BROKEN_SMALL_QUORUM
  return (uint32_t)__builtin_popcountll(answered) >= self->members / 2;
#else
  return (uint32_t)__builtin_popcountll(answered) >= self->members / 2 + 1;
#endif
}

/* The open operation that an answer is for, or null. */
static operation *asked_by(replica *self, const header *answer) {
  if (answer->place >= OPERATIONS_MOST) return NULL;
  operation *found = &self->operations[answer->place];
  if (!found->id || found->phase != answer->kind) return NULL;
#ifndef BROKEN_LATE_ANSWER
  if (found->id != answer->operation) return NULL;
#endif
  return found;
}

static void count(replica *self, uint32_t node, const header *answer, text value) {
  operation *asking = asked_by(self, answer);
  if (!asking || node == 0 || node > self->members) return;
  if (answer->kind == FOUND && is_newer(answer->version, asking->version)) {
    if (!asking->is_write && !set(&asking->value, value.bytes, value.size))
      return refuse(self, asking, "there is no memory for the value");
    asking->version = answer->version;
  }
  asking->answered |= (uint64_t)1 << (node - 1);
  if (!is_enough(self, asking->answered)) return;
  if (asking->phase == FOUND) store_it(self, asking);
  else succeed(self, asking);
}

static void begin(replica *self, const nh_call *call, nh_str key, nh_str value, int is_write) {
  resume(self);
  if (key.len > KEY_MOST || value.len > VALUE_MOST) {
    nh_reply_error(call, NH_INVALID_ARGUMENT, NH_STR("a key may have 1,000 bytes and a value 1 MiB; take less"));
    return;
  }
  if (self->free_operation == OPERATIONS_MOST) {
    nh_reply_error(call, NH_RESOURCE_EXHAUSTED, NH_STR("1,024 operations are open; try again later"));
    return;
  }
  operation *made = &self->operations[self->free_operation];
  self->free_operation = made->next_free;
  *made = (operation){.call = *call, .is_write = is_write};
  /* 0 marks a free place. */
  do made->id = self->random->next(self->random->ctx);
  while (!made->id);
  if (!set(&made->key, key.ptr, key.len) || !set(&made->value, value.ptr, value.len))
    return refuse(self, made, "there is no memory for the operation");
#ifdef BROKEN_OWN_TIMESTAMP
  entry *own = is_write ? *find(self, key.ptr, key.len) : NULL;
  if (own) made->version = own->version;
  if (is_write) return store_it(self, made);
#endif
  enter(self, made, FOUND);
}

static void read_key(void *role, const nh_call *call, nh_str key) { begin(role, call, key, (nh_str){NULL, 0}, 0); }
static void write_key(void *role, const nh_call *call, nh_str key, nh_str value) { begin(role, call, key, value, 1); }

/* The replica */

static void acknowledge(replica *self, uint32_t node, uint32_t place, uint64_t operation) {
  text none = {NULL, 0};
  send(self, node, (header){.kind = STORED, .place = place, .operation = operation}, none, none);
}

static void tell(replica *self, uint32_t node, const header *question, text key) {
  entry *found = *find(self, key.bytes, key.size);
  header answer = {.kind = FOUND, .place = question->place, .operation = question->operation};
  text none = {NULL, 0};
  if (found) answer.version = found->version;
  send(self, node, answer, none, found ? found->value : none);
}

/* Commits the entry as it is; a record is its version and its value, under the key behind an `r`. */
static nh_handle commit(replica *self, const entry *entry, uint64_t token) {
  uint64_t key_size = 1 + entry->key.size, value_size = sizeof entry->version + entry->value.size;
  uint8_t *key = room(self, key_size + value_size), *value = key + key_size;
  if (!key) return 0;
  key[0] = 'r';
  copy(key + 1, entry->key.bytes, entry->key.size);
  memcpy(value, &entry->version, sizeof entry->version);
  copy(value + sizeof entry->version, entry->value.bytes, entry->value.size);
  nh_store_operation put = {NH_STORE_PUT, 0, {key, key_size}, {value, value_size}, 0};
  return self->store->commit(self->store->ctx, (nh_store_operation_list){&put, 1}, token);
}

/* Acknowledges when this version, or a newer one, is durable. What cannot be done now is asked for again. */
static void keep(replica *self, uint32_t node, const header *question, text key, text value) {
  entry *entry = entry_of(self, key.bytes, key.size);
  if (!entry || !take(entry, question->version, value.bytes, value.size)) return;
  if (!is_newer(question->version, entry->durable))
    return acknowledge(self, node, question->place, question->operation);
  if (self->free_waiting == COMMITS_MOST) return;
  uint32_t place = self->free_waiting;
  if (!commit(self, entry, place + 1)) return;
  waiting *made = &self->waiting[place];
  self->free_waiting = made->next_free;
  *made = (waiting){entry, entry->version, node, question->place, question->operation, 0};
#ifdef BROKEN_ACK_BEFORE_SYNC
  acknowledge(self, node, question->place, question->operation);
#endif
}

static void committed(replica *self, const nh_reply *reply) {
  if (reply->token > COMMITS_MOST) return;
  waiting *done = &self->waiting[reply->token - 1];
  if (!done->entry) return;
  waiting kept = *done;
  *done = (waiting){.next_free = self->free_waiting};
  self->free_waiting = (uint32_t)(reply->token - 1);
  /* The store does nothing more; started anew, the role reads what is on the disk. */
  if (reply->status == NH_DATA_LOSS) return self->host->fail(self->host, NH_DATA_LOSS, reply->message);
  if (reply->status != NH_OK) return;
  if (is_newer(kept.version, kept.entry->durable)) kept.entry->durable = kept.version;
#ifndef BROKEN_ACK_BEFORE_SYNC
  acknowledge(self, kept.node, kept.place, kept.operation);
#endif
}

/* What comes */

static void on_message(void *role, const nh_message *message) {
  replica *self = role;
  header head;
  resume(self);
  if (message->payload.len < sizeof head) return;
  memcpy(&head, message->payload.ptr, sizeof head);
  uint64_t rest = message->payload.len - sizeof head;
  if (head.key_size > rest || head.key_size > KEY_MOST || rest - head.key_size > VALUE_MOST) return;
  char *bytes = (char *)message->payload.ptr + sizeof head;
  text key = {bytes, head.key_size}, value = {bytes + head.key_size, rest - head.key_size};
  if (head.kind == FOUND || head.kind == STORED) count(self, message->from_node, &head, value);
  if (!self->is_ready) return;
  if (head.kind == ASK) tell(self, message->from_node, &head, key);
  if (head.kind == STORE) keep(self, message->from_node, &head, key, value);
}

static void on_reply(void *role, const nh_reply *reply) {
  if (reply->token == SCAN) scanned(role, reply);
  else committed(role, reply);
}

static void on_timer(void *role, nh_handle timer, uint64_t token) {
  replica *self = role;
  (void)timer;
  resume(self);
  if (token < OPERATIONS_MOST && self->operations[token].id) ask(self, &self->operations[token]);
}

static void on_event(void *role, const nh_event *event) {
  replica *self = role;
  if (event->kind != NH_EVENT_CANCELLED) return;
  for (uint32_t i = 0; i < OPERATIONS_MOST; i++)
    if (self->operations[i].id && self->operations[i].call.handle == event->handle)
      release(self, &self->operations[i]);
}

/* Its life */

/* {"members": 3}, which has passed the schema. */
static uint32_t members_of(nh_json config) {
  static const char key[] = "\"members\"";
  const char *end = config.ptr + config.len;
  const char *place = config.len ? memmem(config.ptr, config.len, key, sizeof key - 1) : NULL;
  uint32_t number = 0;
  if (!place) return 3;
  for (place += sizeof key - 1; place < end && (*place < '0' || *place > '9');) place++;
  for (; place < end && *place >= '0' && *place <= '9' && number <= 64; place++)
    number = number * 10 + (uint32_t)(*place - '0');
  return number;
}

static nh_status create(const nh_host *host, nh_json config, void **out, nh_error *error) {
  uint32_t members = members_of(config);
  if (members < 1 || members > 64)
    return nh_fail(error, NH_INVALID_ARGUMENT, NH_STR("/members"), NH_STR("there are 1 to 64 members; say how many"));
  replica *self = calloc(1, sizeof *self);
  if (!self) return nh_fail(error, NH_RESOURCE_EXHAUSTED, NH_STR(""), NH_STR("there is no memory for the role"));
  self->host = host;
  self->members = members;
  for (uint32_t i = 0; i < OPERATIONS_MOST; i++) self->operations[i].next_free = i + 1;
  for (uint32_t i = 0; i < COMMITS_MOST; i++) self->waiting[i].next_free = i + 1;
  *out = self;
  return NH_OK;
}

static nh_status start(void *role, nh_error *error) {
  replica *self = role;
  const nh_host *host = self->host;
  self->store = host->get_service(host, NH_STR(NH_STORE_ID), NH_STORE_LAYOUT);
  self->peers = host->get_service(host, NH_STR(NH_PEERS_ID), NH_PEERS_LAYOUT);
  self->timers = host->get_service(host, NH_STR(NH_TIMER_ID), NH_TIMER_LAYOUT);
  self->random = host->get_service(host, NH_STR(NH_RANDOM_ID), NH_RANDOM_LAYOUT);
  if (!self->store || !self->peers || !self->timers || !self->random)
    return nh_fail(error, NH_UNAVAILABLE, NH_STR(""), NH_STR("a service is missing that the role needs"));
  if (!read_store(self))
    return nh_fail(error, NH_RESOURCE_EXHAUSTED, NH_STR(""), NH_STR("the store cannot be read now; start again"));
  return NH_OK;
}

static void destroy(void *role) {
  replica *self = role;
  for (uint32_t i = 0; i < BUCKETS; i++)
    for (entry *next, *entry = self->entries[i]; entry; entry = next) {
      next = entry->next;
      free(entry->key.bytes);
      free(entry->value.bytes);
      free(entry);
    }
  for (uint32_t i = 0; i < OPERATIONS_MOST; i++) {
    free(self->operations[i].key.bytes);
    free(self->operations[i].value.bytes);
  }
  free(self->room);
  free(self);
}

/* The store tells the next build everything; no operation is open when it takes over. */
static nh_status save(void *role, const nh_sink *state, nh_error *error) {
  static const uint8_t mark = 'r';
  replica *self = role;
  self->must_read = 1;
  self->is_ready = 0;
  nh_status status = state->write(state->ctx, (nh_bytes){&mark, 1});
  return status == NH_OK ? NH_OK : nh_fail(error, status, NH_STR(""), NH_STR("the state was not taken"));
}

static nh_status load(void *role, uint32_t version, nh_bytes state, nh_error *error) {
  (void)role;
  if (version == STATE_VERSION && state.len == 1 && state.ptr[0] == 'r') return NH_OK;
  return nh_fail(error, NH_INVALID_ARGUMENT, NH_STR(""), NH_STR("the state is none of this role; start without it"));
}

static const nh_method methods[] = {
    {NH_INIT("read"), NH_INIT("The value of a key; empty if it was never written."), NH_INIT("s(s)"), NH_INIT("key"),
     (nh_function)read_key, NH_NATIVE, NH_METHOD_IDEMPOTENT},
    {NH_INIT("write"), NH_INIT("Gives a key a value."), NH_INIT("v(ss)"), NH_INIT("key,value"),
     (nh_function)write_key, NH_NATIVE, 0},
};

static const nh_need needs[] = {
    {NH_INIT(NH_STORE_ID), NH_STORE_LAYOUT, 1, 0},
    {NH_INIT(NH_PEERS_ID), NH_PEERS_LAYOUT, 1, 0},
    {NH_INIT(NH_TIMER_ID), NH_TIMER_LAYOUT, 1, 0},
    {NH_INIT(NH_RANDOM_ID), NH_RANDOM_LAYOUT, 1, 0},
};

static const nh_plugin plugin = {
    .struct_size = sizeof(nh_plugin),
    .revision = NH_ABI_REVISION,
    .abi_major = NH_ABI_MAJOR,
    .state_version = STATE_VERSION,
    .id = NH_INIT("register"),
    .version = NH_INIT("1.0.0"),
    .description = NH_INIT("Keeps registers that all nodes agree on."),
    .config_schema = NH_INIT("{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"members\":"
                             "{\"type\":\"integer\",\"minimum\":1,\"maximum\":64,\"default\":3,"
                             "\"description\":\"The nodes 1 to this one are replicas\"}}}"),
    .methods = NH_INIT_LIST(methods),
    .needs = NH_INIT_LIST(needs),
    .create = create,
    .start = start,
    .destroy = destroy,
    .on_timer = on_timer,
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
