#!/usr/bin/perl
# serve.pl ADDRESS PORT FOLDER: serves the files of one folder by HTTP, as a mirror of Elasticsearch's archives would; one process
# for each who asks, a few at a time, none for longer than ten minutes.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX 'WNOHANG';

my ($address, $port, $folder) = @ARGV;
my $most = 16;
my $server = IO::Socket::INET->new(LocalAddr => $address, LocalPort => $port, Listen => $most, ReuseAddr => 1)
    or die "$address:$port: $@\n";
my $busy = 0;
while (1) {
    my $client = $server->accept or next;
    $busy-- while $busy > 0 && waitpid(-1, $busy < $most ? WNOHANG : 0) > 0;
    my $child = fork // next;
    $busy++;
    next if $child;
    alarm 600;
    answer($client);
    exit;
}

sub answer {
    my ($client) = @_;
    my $request = <$client> // return;
    for (1 .. 100) { last if (<$client> // '') =~ /^\r?$/ }
    # Names alone: nothing that leads out of the folder.
    my ($name) = $request =~ m{^GET /([\w.-]+) HTTP/1};
    if (!defined $name || $name =~ /^\./ || !open(my $file, '<:raw', "$folder/$name")) {
        print $client "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return;
    } else {
        printf $client "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", -s $file;
        while (read $file, my $part, 1 << 20) { print $client $part or return }
    }
}
