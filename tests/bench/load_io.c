// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sockets of msrp-load, plain or under TLS (OpenSSL on the socket itself, no
 * certificate check: what is measured is the relay). Used by generator and
 * sink.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "load.h"

static SSL_CTX *client_ctx, *server_ctx;

int io_tls_init(const struct load_opts *o)
{
	if(o->tls_in) {
		client_ctx = SSL_CTX_new(TLS_client_method());
		if(!client_ctx)
			return -ENOMEM;
		SSL_CTX_set_verify(client_ctx, SSL_VERIFY_NONE, NULL);
		SSL_CTX_set_mode(client_ctx,
				SSL_MODE_ENABLE_PARTIAL_WRITE
						| SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	}
	if(o->tls_out) {
		server_ctx = SSL_CTX_new(TLS_server_method());
		if(!server_ctx)
			return -ENOMEM;
		SSL_CTX_set_mode(server_ctx,
				SSL_MODE_ENABLE_PARTIAL_WRITE
						| SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		if(SSL_CTX_use_certificate_chain_file(server_ctx, o->cert) != 1
				|| SSL_CTX_use_PrivateKey_file(
						   server_ctx, o->key, SSL_FILETYPE_PEM)
						!= 1) {
			ERR_print_errors_fp(stderr);
			return -EINVAL;
		}
	}
	return 0;
}

static int address(const char *host, int port, struct sockaddr_in *sa)
{
	*sa = (struct sockaddr_in){
			.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	return inet_pton(AF_INET, host, &sa->sin_addr) == 1 ? 0 : -EINVAL;
}

int io_listen(const char *host, int port)
{
	struct sockaddr_in sa;
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if(fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if(address(host, port, &sa) < 0
			|| bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0
			|| listen(fd, 4096) < 0) {
		int rc = errno ? -errno : -EINVAL;
		close(fd);
		return rc;
	}
	return fd;
}

void io_nonblock(struct io *io)
{
	fcntl(io->fd, F_SETFL, fcntl(io->fd, F_GETFL) | O_NONBLOCK);
}

int io_connect(
		struct io *io, const char *from, const char *host, int port, bool tls)
{
	struct sockaddr_in me, sa;
	int one = 1;

	io->ssl = NULL;
	io->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if(io->fd < 0)
		return -errno;
	setsockopt(io->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(io->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if(address(from, 0, &me) < 0 || address(host, port, &sa) < 0
			|| bind(io->fd, (struct sockaddr *)&me, sizeof(me)) < 0
			|| connect(io->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return errno ? -errno : -EINVAL;
	if(tls) {
		io->ssl = SSL_new(client_ctx);
		SSL_set_fd(io->ssl, io->fd);
		if(SSL_connect(io->ssl) != 1) {
			ERR_print_errors_fp(stderr);
			return -EPROTO;
		}
	}
	return 0;
}

int io_accept(struct io *io, int listener, bool tls)
{
	int one = 1;

	io->ssl = NULL;
	io->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if(io->fd < 0)
		return -errno;
	setsockopt(io->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if(tls) {
		io->ssl = SSL_new(server_ctx);
		SSL_set_fd(io->ssl, io->fd);
		SSL_set_accept_state(io->ssl);
	}
	return 0;
}

static ssize_t tls_result(struct io *io, int n)
{
	switch(SSL_get_error(io->ssl, n)) {
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE:
			return -EAGAIN;
		case SSL_ERROR_ZERO_RETURN:
			return 0;
		case SSL_ERROR_SYSCALL:
			return errno ? -errno : -ECONNRESET;
		default:
			return -EPROTO;
	}
}

ssize_t io_read(struct io *io, void *buf, size_t n)
{
	ssize_t k;

	if(io->ssl) {
		ssize_t sum = 0;

		ERR_clear_error();
		while((size_t)sum < n) { /* a record at a time: fill the buffer */
			k = SSL_read(io->ssl, (char *)buf + sum, (int)(n - (size_t)sum));
			if(k <= 0)
				return sum > 0 ? sum : tls_result(io, (int)k);
			sum += k;
		}
		return sum;
	}
	k = recv(io->fd, buf, n, 0);
	return k < 0 ? -errno : k;
}

ssize_t io_write(struct io *io, const void *buf, size_t n)
{
	ssize_t k;

	if(io->ssl) {
		ERR_clear_error();
		k = SSL_write(io->ssl, buf, (int)n);
		return k > 0 ? k : tls_result(io, (int)k);
	}
	k = send(io->fd, buf, n, MSG_NOSIGNAL);
	return k < 0 ? -errno : k;
}

ssize_t io_writev(struct io *io, const struct iovec *v, int n)
{
	struct msghdr m = {.msg_iov = (struct iovec *)v, .msg_iovlen = (size_t)n};
	ssize_t k, sum = 0;

	if(!io->ssl) {
		k = sendmsg(io->fd, &m, MSG_NOSIGNAL);
		return k < 0 ? -errno : k;
	}
	for(int i = 0; i < n; i++) {
		size_t done = 0;
		while(done < v[i].iov_len) {
			k = io_write(io, (char *)v[i].iov_base + done, v[i].iov_len - done);
			if(k < 0)
				return sum > 0 ? sum : k;
			done += (size_t)k;
			sum += k;
		}
	}
	return sum;
}

void io_close(struct io *io)
{
	if(io->ssl) {
		SSL_shutdown(io->ssl);
		SSL_free(io->ssl);
		io->ssl = NULL;
	}
	if(io->fd >= 0)
		close(io->fd);
	io->fd = -1;
}
