/*
 * plugin.h: what a plugin gives the host: one ELF note, one exported function, one table.
 *
 *     #include <nodehost.h>
 *     NH_PLUGIN_NOTE("hello", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);
 *     static const nh_plugin plugin = { ... };
 *     NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer, const nh_plugin **out,
 *                                         nh_error *error) {
 *       if (!nh_offer_fits(offer)) return nh_refuse_offer(error);
 *       *out = &plugin;
 *       return NH_OK;
 *     }
 *
 * LIFE OF A ROLE
 *
 *     create -> start -> running -> drain -> stop -> destroy
 *
 * create has no side effects: it reads the configuration and allocates. start may fail. After a
 * start that failed, and always at the end, destroy comes, and nothing after it. stop comes only
 * after a start that succeeded. A role function that may be null says so.
 */
#ifndef NODEHOST_PLUGIN_H
#define NODEHOST_PLUGIN_H

#include "base.h"
#include "call.h"
#include "host.h"
#include "layout.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

struct nh_http_event;
struct nh_rpc_event;

/* The ELF note: section .note.nodehost, owner "NODEHOST", type 1. */

#define NH_NOTE_TYPE 1u
#define NH_NOTE_ID_LENGTH 40

#define NH_LANGUAGE_OTHER 0u
#define NH_LANGUAGE_C 1u
#define NH_LANGUAGE_CXX 2u
#define NH_LANGUAGE_SWIFT 3u
#define NH_LANGUAGE_RUST 4u
#define NH_LANGUAGE_ZIG 5u

/** The library may be unmapped after its last role is gone. Never set it for Swift or Go. */
#define NH_NOTE_MAY_UNLOAD 1u

/** What the host reads from the file before any of its code runs. */
typedef struct nh_note {
  uint32_t name_size;
  uint32_t desc_size;
  uint32_t kind;
  uint8_t name[12];
  /** NH_ABI_MAJOR of the header it was built against. */
  uint32_t abi_major;
  /** The least host revision that it can work with, and the one it was built against. */
  uint32_t revision_least;
  uint32_t revision_built;
  uint32_t language;
  uint32_t flags;
  uint32_t reserved;
  /** NH_BASE_LAYOUT of the header it was built against. */
  uint64_t layout;
  /** The plugin's id, filled with zeroes; all zeroes leaves the id to the nh_plugin table. */
  char plugin_id[NH_NOTE_ID_LENGTH];
} nh_note;

NH_STATIC_ASSERT(sizeof(nh_note) == 96, "the note's layout is fixed");

/* Clang's address sanitizer would put space around the note, after which it is none. */
#if defined(__clang__)
#define NH_NOTE_PLACE                                                                              \
  __attribute__((section(".note.nodehost"), used, aligned(4), no_sanitize("address")))
#else
#define NH_NOTE_PLACE __attribute__((section(".note.nodehost"), used, aligned(4)))
#endif

/** Puts the note into the plugin. Once, at file level, in C or C++. */
#define NH_PLUGIN_NOTE(id, language, flags)                                                        \
  NH_NOTE_PLACE static const nh_note nh_note_ = {                                                  \
      9, sizeof(nh_note) - 24, NH_NOTE_TYPE, {'N', 'O', 'D', 'E', 'H', 'O', 'S', 'T', 0, 0, 0, 0},  \
      NH_ABI_MAJOR, 1, NH_ABI_REVISION, language, flags, 0, NH_BASE_LAYOUT, id}

/** What the host can do. Valid during nh_plugin_query. */
typedef struct nh_host_offer {
  uint32_t struct_size;
  uint32_t revision;
  uint32_t abi_major_least;
  uint32_t abi_major_most;
  /** The host's revisions: it still honours `least` and knows all up to `most`. */
  uint32_t revision_least;
  uint32_t revision_most;
  uint64_t layout;
  /** "nodehost" and its version, for messages. */
  nh_str host_name;
  nh_str host_version;
} nh_host_offer;

/** A service or a provided id that the role uses. */
typedef struct nh_need {
  /** "nodehost.timer/1", or an id that another role of the node provides. */
  nh_str id;
  /** The NH_..._LAYOUT beside the id; 0 for an id that a role provides. */
  uint64_t layout;
  /** 1: refuse the plugin without it. 0: the role asks get_service and copes with null. */
  uint32_t required;
  uint32_t reserved;
} nh_need;

typedef struct nh_need_list {
  const nh_need *NH_NULLABLE items;
  uint64_t count;
} nh_need_list;

/** A topic that the role publishes on the node's bus. */
typedef struct nh_topic {
  nh_str name;
  nh_str doc;
} nh_topic;

typedef struct nh_topic_list {
  const nh_topic *NH_NULLABLE items;
  uint64_t count;
} nh_topic_list;

/** A message from a role on another node. Valid during on_message. */
typedef struct nh_message {
  uint32_t struct_size;
  uint32_t revision;
  uint32_t from_node;
  uint32_t channel;
  nh_str from_role;
  nh_bytes payload;
} nh_message;

/** The outcome of something asked of a service. Valid during on_reply. */
typedef struct nh_reply {
  uint32_t struct_size;
  uint32_t revision;
  /** What the asking function returned, and the token given to it. */
  nh_handle request;
  uint64_t token;
  nh_status status;
  /** NH_REPLY_ bits. */
  uint32_t flags;
  /** For an error: what happened and what to do. */
  nh_str message;
  /** The key that the value belongs to, where there is one. */
  nh_bytes key;
  nh_value value;
  /** A store's or cluster's revision of the value, an offset, a count; what, the service says. */
  uint64_t revision_number;
} nh_reply;

/** More replies follow for the same request. */
#define NH_REPLY_MORE 1u

/** Something was published on a topic the role subscribed to. */
#define NH_EVENT_TOPIC 1u
/** The call in `handle` was cancelled or its deadline passed: stop working on it. */
#define NH_EVENT_CANCELLED 2u
/** The link to the node in `number` came up or went down. */
#define NH_EVENT_LINK_UP 3u
#define NH_EVENT_LINK_DOWN 4u
/** The watched descriptor in `handle` is ready; `number` holds NH_FD_ bits. */
#define NH_EVENT_FD 5u
/** What a forward table counted since the last time; `payload` is JSON. */
#define NH_EVENT_FORWARD_STATS 6u

/** Something happened that the role did not ask for just now. Valid during on_event. */
typedef struct nh_event {
  uint32_t struct_size;
  uint32_t revision;
  uint32_t kind;
  uint32_t number;
  /** The subscription, call, watch or route that it concerns, and the token given with it. */
  nh_handle handle;
  uint64_t token;
  /** NH_EVENT_TOPIC: the topic and who published; counts up per topic, so that a gap shows. */
  nh_str topic;
  nh_str source;
  uint64_t sequence;
  nh_bytes payload;
} nh_event;

#define NH_HEALTH_OK 0u
/** Serving, but somebody should look. */
#define NH_HEALTH_DEGRADED 1u
/** Not serving. */
#define NH_HEALTH_FAILED 2u

/** Every callback on one loop, one at a time. The only threading of this revision. */
#define NH_THREADING_SERIAL 0u

/** One kind of role. All text and lists stay valid as long as the library is loaded. */
typedef struct nh_plugin {
  uint32_t struct_size;
  uint32_t revision;
  uint32_t abi_major;
  /** An NH_THREADING_ constant. */
  uint32_t threading;
  /** The version of what save writes; 0 if there is no save. */
  uint32_t state_version;
  uint32_t reserved;
  /** Short and lower-case: "gateway". The manifest's `role:` names it. */
  nh_str id;
  /** Three numbers: "1.4.0". */
  nh_str version;
  nh_str description;
  /** JSON Schema of the configuration; empty if the role takes none. */
  nh_json config_schema;
  nh_method_list methods;
  nh_topic_list topics;
  nh_need_list needs;
  /** Ids that the role stands for, "com.example.greeter/1", so that others need not know its name. */
  nh_str_list provides;

  /**
   * Makes a role from its configuration, which has passed the schema and has its defaults filled
   * in. No side effects; a check of a manifest calls it too. On failure nothing must be left.
   * [any & creating]
   */
  nh_status (*create)(const nh_host *host, nh_json config, void *NH_NULLABLE *NH_NONNULL role,
                      nh_error *error);
  /** Begins to work: fetch services, subscribe, set timers. [loop & starting] */
  nh_status (*start)(void *NH_NULLABLE role, nh_error *error);
  /**
   * New work no longer comes; finish what is under way. The host waits until the last open call is
   * answered, and those of gRPC that the role makes from here on, or for its drain limit. May be
   * null. [loop & running]
   */
  void (*NH_NULLABLE drain)(void *NH_NULLABLE role);
  /** Ends. Open calls are answered for the role, timers and subscriptions end by themselves.
   * May be null. [loop & stopping] */
  void (*NH_NULLABLE stop)(void *NH_NULLABLE role);
  /** Frees the role. The last call it gets. [any & stopped] */
  void (*destroy)(void *NH_NULLABLE role);
  /** A timer ran out. Null if the role sets none. [loop & running] */
  void (*NH_NULLABLE on_timer)(void *NH_NULLABLE role, nh_handle timer, uint64_t token);
  /** A message from a peer. Null if the role expects none. [loop & running] */
  void (*NH_NULLABLE on_message)(void *NH_NULLABLE role, const nh_message *message);
  /** Part of an HTTP exchange (http.h, client.h). Null if the role has none. [loop & running] */
  void (*NH_NULLABLE on_http)(void *NH_NULLABLE role, const struct nh_http_event *event);
  /** Part of a gRPC call (rpc.h). Null if the role has none. [loop & running] */
  void (*NH_NULLABLE on_rpc)(void *NH_NULLABLE role, const struct nh_rpc_event *event);
  /** A service answers. Null if the role asks nothing that answers. [loop & running] */
  void (*NH_NULLABLE on_reply)(void *NH_NULLABLE role, const nh_reply *reply);
  /** A topic, a link, a descriptor, a cancelled call. Null if the role listens to none.
   * [loop & running] */
  void (*NH_NULLABLE on_event)(void *NH_NULLABLE role, const nh_event *event);
  /**
   * Writes all that the next version of the role needs, as state_version. Null with load. Comes at a
   * swap, when no call to the role or by it is open, and before stop: the host keeps the state on
   * disk for the next start. The role must go on as if nothing had happened, since a swap may be
   * undone. [loop & running]
   */
  nh_status (*NH_NULLABLE save)(void *NH_NULLABLE role, const nh_sink *state, nh_error *error);
  /** Takes over a state that was saved as `version`, older or newer than the role's own. Comes after
   * create, before start. Refuse what you cannot read. Null with save. [loop & creating] */
  nh_status (*NH_NULLABLE load)(void *NH_NULLABLE role, uint32_t version, nh_bytes state,
                                nh_error *error);
  /** The role's own opinion: an NH_HEALTH_ constant, and why, into `reason`. Null means healthy as
   * long as it runs. [loop & running] */
  uint32_t (*NH_NULLABLE health)(void *NH_NULLABLE role, const nh_sink *reason);
  /** Takes a new configuration without a restart. Null: the host restarts the role. On failure the
   * old configuration stays. [loop & running] */
  nh_status (*NH_NULLABLE reconfigure)(void *NH_NULLABLE role, nh_json config, nh_error *error);
} nh_plugin;

/**
 * The one symbol that a plugin exports. Looks at the host's ranges, puts its table into `plugin`
 * and returns NH_OK, or refuses with a reason. May be called more than once, with the same answer.
 * [any & loading]
 */
NH_EXPORT nh_status nh_plugin_query(const nh_host_offer *offer,
                                    const nh_plugin *NH_NULLABLE *NH_NONNULL plugin,
                                    nh_error *NH_NULLABLE error);

/* Conveniences for C and C++. */

/** Whether a plugin built against this header can work with the host. */
NH_INLINE int nh_offer_fits(const nh_host_offer *offer) {
  return offer->abi_major_least <= NH_ABI_MAJOR && NH_ABI_MAJOR <= offer->abi_major_most &&
         offer->layout == NH_BASE_LAYOUT;
}

NH_INLINE nh_status nh_refuse_offer(nh_error *NH_NULLABLE error) {
  return nh_fail(error, NH_FAILED_PRECONDITION, nh_cstr("nh_plugin_query"),
                 nh_cstr("the plugin is built for ABI major 1 with another layout than this "
                         "host's; build it against this host's SDK"));
}

NH_HEADER_END
NH_EXTERN_C_END

#endif
