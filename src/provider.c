/* provider.c - a provider's memory, and the built-in ones */
#include "provider.h"

#include <stdlib.h>
#include <string.h>

#include "provider_builtin.h"

static void
templates_free(struct template **templates, size_t count)
{
	for (size_t i = 0; i < count; i++)
		template_free(templates[i]);
	free(templates);
}

static void
scheme_free(struct provider_scheme *scheme)
{
	templates_free(scheme->carriers, scheme->carrier_count);
	templates_free(scheme->format, scheme->format_count);
	templates_free(scheme->signs, scheme->signs_count);
	for (size_t i = 0; i < scheme->requires_count; i++) {
		template_free(scheme->requires[i].left);
		template_free(scheme->requires[i].right);
	}
	free(scheme->requires);
	free(scheme->each);
	template_free(scheme->key_id);
	template_free(scheme->timestamp);
	free(scheme->label);
	free(scheme->separator);
	free(scheme->key.strip);
	free(scheme->key.append);
}

static void
handshake_free(struct provider_handshake *handshake)
{
	templates_free(handshake->when, handshake->when_count);
	templates_free(handshake->equals, handshake->when_count);
	for (size_t i = 0; i < handshake->header_count; i++) {
		free(handshake->headers[i].name);
		template_free(handshake->headers[i].value);
	}
	template_free(handshake->answer);
	template_free(handshake->challenge);
	template_free(handshake->learns);
	free(handshake->label);
	free(handshake->method);
	free(handshake->content_type);
}

static void
fields_free(struct provider_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(fields[i].name);
		template_free(fields[i].value);
	}
	free(fields);
}

static void
subscription_free(struct provider_subscription *subscription)
{
	if (subscription == NULL)
		return;
	fields_free(subscription->headers, subscription->header_count);
	fields_free(subscription->fields, subscription->field_count);
	free(subscription->api);
	free(subscription->secret);
	free(subscription->id);
	free(subscription);
}

void
provider_free(struct provider *provider)
{
	if (provider == NULL)
		return;
	for (size_t i = 0; i < provider->scheme_count; i++)
		scheme_free(&provider->schemes[i]);
	free(provider->schemes);
	templates_free(provider->events, provider->event_count);
	templates_free(provider->ids, provider->id_count);
	for (size_t i = 0; i < provider->header_count; i++)
		free(provider->headers[i]);
	free(provider->headers);
	for (size_t i = 0; i < provider->body_name_count; i++)
		free(provider->body_names[i]);
	free(provider->body_names);
	for (size_t i = 0; i < provider->handshake_count; i++)
		handshake_free(&provider->handshakes[i]);
	free(provider->handshakes);
	subscription_free(provider->subscription);
	for (size_t i = 0; i < provider->parameter_count; i++) {
		free(provider->parameters[i].name);
		free(provider->parameters[i].use);
	}
	free(provider->parameters);
	free(provider->name);
	free(provider->title);
	free(provider->docs);
	free(provider->sure);
	free(provider->rests_on);
	free(provider->retry);
	template_free(provider->success_body);
	free(provider->success_type);
	free(provider->document);
	free(provider);
}

bool
provider_scheme_signs(const struct provider_scheme *scheme, enum template_kind kind)
{
	for (size_t i = 0; i < scheme->signs_count; i++) {
		if (!template_refers(scheme->signs[i], kind))
			return false;
	}
	return scheme->signs_count > 0;
}

const char *
provider_builtin(const char *name)
{
	for (size_t i = 0; i < provider_builtin_count; i++) {
		if (strcmp(name, provider_builtin_files[i].name) == 0)
			return provider_builtin_files[i].text;
	}
	return NULL;
}

const char *
provider_builtin_name(size_t index)
{
	return index < provider_builtin_count ? provider_builtin_files[index].name : NULL;
}
