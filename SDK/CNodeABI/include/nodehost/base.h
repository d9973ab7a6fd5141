/*
 * base.h: the small values that everything else is made of.
 *
 * RULES OF THE WHOLE ABI
 *
 * Growth. ABI major is 1 and is meant to stay 1. No published struct ever changes. Growth is a new
 * service id with a new struct name ("nodehost.timer/2"); third parties use their own domain
 * ("com.example.thing/1"). An id keeps its meaning for ever.
 *
 * Tables begin with {struct_size, revision}, are passed by pointer and never embedded by value.
 * A table smaller than the one you know lacks the fields beyond its size; of a larger one read the
 * part you know. Never refuse a table for its size.
 *
 * Strings and bytes are borrowed: {ptr, len}, valid until the function that received them returns,
 * and never freed by the receiver. Text is UTF-8 without a terminating zero. Text and lists that a
 * plugin puts into its nh_plugin table stay valid as long as the plugin is loaded. Longer output
 * goes through a sink that the caller supplies.
 *
 * Errors are an nh_status, and where a sentence helps the reader, an nh_error that the caller
 * supplies. There is no "last error".
 *
 * Handles name things that the host owns. They carry a generation, so a stale handle is found out:
 * the call is refused, the mistake is logged under the plugin's name, and nothing crashes.
 * 0 is never a handle.
 *
 * THREAD AND STATE
 *
 * Each function's comment ends in a bracket. Its words mean:
 *
 *   loop      on the role's own loop, which is where every callback of a serial role comes
 *   pool      on a thread of the CPU pool, inside a function given to the work service
 *   any       on any thread
 *   loading   while the host opens the plugin; no role exists yet
 *   creating  inside create; no host function may be called but log and check_thread
 *   starting  inside start
 *   running   after start has succeeded and until stop is called, draining included
 *   draining  after drain has been called and until stop is called
 *   stopping  inside stop
 *   stopped   after stop has returned, or after start has failed
 *   &  and    |  or    !  not
 *
 * A call outside its bracket is a breach of contract: it is refused with NH_FAILED_PRECONDITION
 * where it has a status, logged at NH_LOG_MISUSE under the plugin's name, and otherwise ignored.
 */
#ifndef NODEHOST_BASE_H
#define NODEHOST_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#define NH_HEADER_BEGIN                                                                            \
  _Pragma("clang diagnostic push")                                                                 \
  _Pragma("clang diagnostic ignored \"-Wnullability-extension\"")                                  \
  _Pragma("clang assume_nonnull begin")
#define NH_HEADER_END _Pragma("clang assume_nonnull end") _Pragma("clang diagnostic pop")
#define NH_NULLABLE _Nullable
#define NH_NONNULL _Nonnull
#else
#define NH_HEADER_BEGIN
#define NH_HEADER_END
#define NH_NULLABLE
#define NH_NONNULL
#endif

#if defined(__cplusplus)
#define NH_EXTERN_C_BEGIN extern "C" {
#define NH_EXTERN_C_END }
#define NH_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define NH_EXTERN_C_BEGIN
#define NH_EXTERN_C_END
#define NH_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/** A convenience: part of the header, not of the binary interface. */
#define NH_INLINE static inline __attribute__((unused))

#define NH_EXPORT __attribute__((visibility("default")))

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

/** The ABI major that this header describes. */
#define NH_ABI_MAJOR 1u
/** The newest revision that this header describes. A revision adds service ids and nothing else. */
#define NH_ABI_REVISION 1u

/** Names something that the host owns; 0 is never valid. */
typedef uint64_t nh_handle;

/** One of the NH_ codes below. The numbers are those of gRPC, so that a status crosses both. */
typedef int32_t nh_status;
#define NH_OK 0
#define NH_CANCELLED 1           /* the caller gave up */
#define NH_UNKNOWN 2             /* an error that has no better code */
#define NH_INVALID_ARGUMENT 3    /* wrong whatever the state is */
#define NH_DEADLINE_EXCEEDED 4   /* it took too long; it may still have happened */
#define NH_NOT_FOUND 5           /* no such role, key, route, handle */
#define NH_ALREADY_EXISTS 6      /* the name is taken */
#define NH_PERMISSION_DENIED 7   /* known, but not allowed */
#define NH_RESOURCE_EXHAUSTED 8  /* a named limit was reached; try later */
#define NH_FAILED_PRECONDITION 9 /* wrong in this state; repair the state first */
#define NH_ABORTED 10            /* lost a race; start over */
#define NH_OUT_OF_RANGE 11       /* past the end */
#define NH_UNIMPLEMENTED 12      /* not offered by this host or role */
#define NH_INTERNAL 13           /* a promise inside was broken; a bug */
#define NH_UNAVAILABLE 14        /* not now; the same call may succeed later */
#define NH_DATA_LOSS 15          /* what was stored is damaged */
#define NH_UNAUTHENTICATED 16    /* not known */

/** Text in UTF-8. Empty text may have a null ptr. */
typedef struct nh_str {
  const char *NH_NULLABLE ptr;
  uint64_t len;
} nh_str;

/** A JSON text in UTF-8, whole. */
typedef struct nh_json {
  const char *NH_NULLABLE ptr;
  uint64_t len;
} nh_json;

/** Bytes of any kind. */
typedef struct nh_bytes {
  const uint8_t *NH_NULLABLE ptr;
  uint64_t len;
} nh_bytes;

/** Room that the caller lends; the callee fills it whole or fails. */
typedef struct nh_buffer {
  uint8_t *NH_NULLABLE ptr;
  uint64_t len;
} nh_buffer;

/** A list of texts, borrowed like the texts in it. */
typedef struct nh_str_list {
  const nh_str *NH_NULLABLE items;
  uint64_t count;
} nh_str_list;

/** A name with a value: an HTTP header, a trailer, a label, an item of metadata. */
typedef struct nh_pair {
  nh_str name;
  nh_str value;
} nh_pair;

typedef struct nh_pair_list {
  const nh_pair *NH_NULLABLE items;
  uint64_t count;
} nh_pair_list;

/**
 * One value of the signature alphabet (call.h), whatever its type, in 16 bytes.
 * Integers are in `lo`, sign-extended if their type is signed; d keeps its bits in `lo`; z is 0 or
 * 1; s, b and j keep their address in `lo` and their length in `hi`.
 */
typedef struct nh_slot {
  uint64_t lo;
  uint64_t hi;
} nh_slot;

/** A slot that says what it is: `letter` is the type as a character, 'v' for nothing. */
typedef struct nh_value {
  uint32_t letter;
  uint32_t reserved;
  nh_slot slot;
} nh_value;

typedef struct nh_value_list {
  const nh_value *NH_NULLABLE items;
  uint64_t count;
} nh_value_list;

/** Takes output of any length from the callee, in pieces. Valid until the function that got it returns. */
typedef struct nh_sink {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** Takes the next piece. Anything but NH_OK means: stop, and return that status. [any] */
  nh_status (*write)(void *NH_NULLABLE ctx, nh_bytes piece);
} nh_sink;

/**
 * An error in words, written into room that the caller lends. The text is cut at the capacity.
 * A good message says what is wrong and ends in what to do about it.
 */
typedef struct nh_error {
  uint32_t struct_size;
  uint32_t revision;
  nh_status code;
  uint32_t reserved;
  char *NH_NULLABLE message;
  uint64_t message_capacity;
  uint64_t message_len;
  /** The place: a configuration path such as /upstreams/0/weight, a key, a file and line. */
  char *NH_NULLABLE place;
  uint64_t place_capacity;
  uint64_t place_len;
} nh_error;

/** Any function, until its signature says which; cast it before you call it. */
typedef void (*nh_function)(void);

/* Conveniences for C and C++. They are not part of the binary interface. */

/** Text from a literal, in an expression: NH_STR("hello"). */
#define NH_STR(literal) (nh_text("" literal "", sizeof(literal) - 1))

/** Text or JSON from a literal, in the initialiser of a static table, where C allows no call. */
#define NH_INIT(literal) {"" literal "", sizeof(literal) - 1}

/** A list from an array, in the initialiser of a static table. */
#define NH_INIT_LIST(array) {array, sizeof(array) / sizeof((array)[0])}

NH_INLINE nh_str nh_text(const char *NH_NULLABLE ptr, uint64_t len) {
  nh_str text;
  text.ptr = ptr;
  text.len = len;
  return text;
}

/** Text from a string that ends in a zero; null gives empty text. */
NH_INLINE nh_str nh_cstr(const char *NH_NULLABLE string) {
  uint64_t len = 0;
  while (string && string[len]) len++;
  return nh_text(string, len);
}

/** Fills `error`, if there is one, and returns `code`, so that it can end a function. */
NH_INLINE nh_status nh_fail(nh_error *NH_NULLABLE error, nh_status code, nh_str place,
                                nh_str message) {
  uint64_t i;
  if (!error) return code;
  error->code = code;
  error->message_len = 0;
  error->place_len = 0;
  for (i = 0; error->message && i < message.len && i < error->message_capacity; i++)
    error->message[error->message_len++] = message.ptr[i];
  for (i = 0; error->place && i < place.len && i < error->place_capacity; i++)
    error->place[error->place_len++] = place.ptr[i];
  return code;
}

NH_STATIC_ASSERT(sizeof(void *) == 8, "nodehost runs on 64-bit machines");

NH_HEADER_END
NH_EXTERN_C_END

#endif
