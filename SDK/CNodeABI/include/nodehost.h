/*
 * nodehost.h: everything a role plugin is built against.
 *
 * A plugin is a shared object that exports one function, nh_plugin_query, and carries one ELF note.
 * The host reads the note before any code of the plugin runs, asks nh_plugin_query for the plugin's
 * table (nodehost/plugin.h), and hands each role a host table (nodehost/host.h) through which the
 * role reaches the services, one header each. A role is a state machine: callbacks in, service
 * calls out. It has no clock, thread, socket or file of its own.
 *
 * Reading order: base, plugin, call, host, then the services you need.
 */
#ifndef NODEHOST_H
#define NODEHOST_H

#include "nodehost/base.h"
#include "nodehost/call.h"
#include "nodehost/host.h"
#include "nodehost/plugin.h"

#include "nodehost/blob.h"
#include "nodehost/bus.h"
#include "nodehost/client.h"
#include "nodehost/cluster.h"
#include "nodehost/fd.h"
#include "nodehost/http.h"
#include "nodehost/metrics.h"
#include "nodehost/peers.h"
#include "nodehost/random.h"
#include "nodehost/roles.h"
#include "nodehost/rpc.h"
#include "nodehost/store.h"
#include "nodehost/timer.h"
#include "nodehost/work.h"

#endif
