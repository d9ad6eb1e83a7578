set terminal svg size 760,300 fixed font "sans-serif,13"
set multiplot layout 1,2
set logscale x
set format x "10^{%L}"
set xlabel "ports in the table"
set xrange [700:1.4e6]
set yrange [0:*]
set ylabel "ns for an answer"
set title "RS → RA, the engine's call"
plot data using 1:2 with linespoints linestyle 1 notitle
set ylabel "µs for an answer"
set title "RS → RA over a cable, the server's process"
plot data using 1:3 with linespoints linestyle 2 notitle
unset multiplot
