/*
 * described.h: the headers as data.
 *
 * Each struct of the ABI with its members, their offsets, and the signature of every function, for
 * whatever handles calls without knowing them: tracing, checking, marshalling. The tables are
 * generated from the headers by `describe`, which also derives the layout hashes.
 */
#ifndef NODEHOST_DESCRIBED_H
#define NODEHOST_DESCRIBED_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

typedef struct nh_described_member {
  const char *name;
  /** One letter for a value, "l(ll)" for a function; see call.h for the alphabet. */
  const char *signature;
  /** For a function: where it may be called, "loop & running". Else empty. */
  const char *where;
  uint32_t offset;
  /** 1 if a function may be null. */
  uint32_t optional;
} nh_described_member;

typedef struct nh_described_struct {
  const char *name;
  /** The service id whose table this is; empty for all other structs. */
  const char *service;
  uint64_t layout;
  uint32_t size;
  uint32_t member_count;
  const nh_described_member *members;
} nh_described_struct;

/** All structs; the last entry has no members and an empty name. */
extern const nh_described_struct nh_described_structs[];

/** The first of them, for languages that cannot see an array of unknown length, such as Swift. */
NH_INLINE const nh_described_struct *nh_first_described(void) { return nh_described_structs; }

NH_HEADER_END
NH_EXTERN_C_END

#endif
